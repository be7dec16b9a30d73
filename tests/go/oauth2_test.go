package tests

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func config(s server, style oauth2.AuthStyle) clientcredentials.Config {
	return clientcredentials.Config{
		ClientID:     s.ClientID,
		ClientSecret: s.ClientSecret,
		TokenURL:     s.tokenURL(),
		AuthStyle:    style,
	}
}

func styles() map[string]oauth2.AuthStyle {
	return map[string]oauth2.AuthStyle{
		"detected": oauth2.AuthStyleAutoDetect,
		"header":   oauth2.AuthStyleInHeader,
		"form":     oauth2.AuthStyleInParams,
	}
}

func TestGetsATokenThatOpensTheAPI(t *testing.T) {
	s := servers(t)["ES256"]
	for name, style := range styles() {
		t.Run(name, func(t *testing.T) {
			c := config(s, style)
			c.Scopes = []string{"agents:read", "audit:read"}
			token, err := c.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(token.Expiry); !token.Valid() || left > time.Hour || left < 50*time.Minute {
				t.Errorf("valid %v, expires in %v", token.Valid(), left)
			}
			if scope := token.Extra("scope"); scope != "agents:read audit:read" {
				t.Errorf("scope %q", scope)
			}
			answer, err := c.Client(t.Context()).Get(s.BaseURL + "/api/v1/agents/" + s.ClientID)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("status %d", answer.StatusCode)
			}
		})
	}
}

func TestATokenIsUsedUntilItExpires(t *testing.T) {
	c := config(servers(t)["ES256"], oauth2.AuthStyleInHeader)
	source := c.TokenSource(t.Context())
	first, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	again, err := source.Token()
	if err != nil || again.AccessToken != first.AccessToken {
		t.Fatalf("a live token was not used again (%v)", err)
	}
	over := *first
	over.Expiry = time.Now()
	next, err := oauth2.ReuseTokenSource(&over, c.TokenSource(t.Context())).Token()
	if err != nil || !next.Valid() || next.AccessToken == first.AccessToken {
		t.Fatalf("an expired token was not replaced (%v)", err)
	}
}

func TestAResourceIsTheAudience(t *testing.T) {
	s := servers(t)["ES256"]
	c := config(s, oauth2.AuthStyleInHeader)
	c.EndpointParams = url.Values{"resource": {"https://files.example.com/", "https://mail.example.com/"}}
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verify(t.Context(), s, "ES256", token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if len(claims.Audience) != 2 || claims.Audience[0] != "https://files.example.com/" {
		t.Errorf("audience %v", claims.Audience)
	}
}

func TestRefusalsAreRetrieveErrors(t *testing.T) {
	s := servers(t)["ES256"]
	for name, style := range styles() {
		wrong := config(s, style)
		wrong.ClientSecret += "x"
		expectError(t, name, wrong, http.StatusUnauthorized, "invalid_client")
		uncovered := config(s, style)
		uncovered.Scopes = []string{"mail:send"}
		expectError(t, name, uncovered, http.StatusBadRequest, "invalid_scope")
	}
}

func expectError(t *testing.T, style string, c clientcredentials.Config, status int, code string) {
	t.Helper()
	_, err := c.Token(t.Context())
	var failure *oauth2.RetrieveError
	if !errors.As(err, &failure) {
		t.Fatalf("%s: %v is no RetrieveError", style, err)
	}
	if failure.Response.StatusCode != status || failure.ErrorCode != code {
		t.Errorf("%s: %d %s instead of %d %s", style, failure.Response.StatusCode, failure.ErrorCode, status, code)
	}
}
