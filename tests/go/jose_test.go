package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
)

// verify checks signature, type and issuer of a token with the key set of the server.
func verify(ctx context.Context, s server, algorithm, text string) (jwt.Claims, error) {
	var claims jwt.Claims
	keys, err := keySet(ctx, s)
	if err != nil {
		return claims, err
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		return claims, err
	}
	if kind := token.Headers[0].ExtraHeaders[jose.HeaderType]; kind != "at+jwt" {
		return claims, fmt.Errorf("typ %v", kind)
	}
	if err := token.Claims(keys, &claims); err != nil {
		return claims, err
	}
	return claims, claims.Validate(jwt.Expected{Issuer: s.BaseURL})
}

func keySet(ctx context.Context, s server) (*jose.JSONWebKeySet, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL+"/.well-known/jwks.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var keys jose.JSONWebKeySet
	return &keys, json.NewDecoder(answer.Body).Decode(&keys)
}

func TestGoJoseVerifiesEveryAlgorithm(t *testing.T) {
	for algorithm, s := range servers(t) {
		t.Run(algorithm, func(t *testing.T) {
			c := config(s, oauth2.AuthStyleInHeader)
			token, err := c.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			claims, err := verify(t.Context(), s, algorithm, token.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if claims.Subject != s.ClientID || len(claims.Audience) != 1 || claims.Audience[0] != s.BaseURL {
				t.Errorf("claims %+v", claims)
			}
			parts := strings.Split(token.AccessToken, ".")
			parts[2] = strings.Repeat("A", len(parts[2]))
			if _, err := verify(t.Context(), s, algorithm, strings.Join(parts, ".")); err == nil {
				t.Error("a forged signature was taken")
			}
		})
	}
}
