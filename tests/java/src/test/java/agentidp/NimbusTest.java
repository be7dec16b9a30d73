package agentidp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.crypto.Ed25519Verifier;
import com.nimbusds.jose.jwk.JWKMatcher;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJWSException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.BadJWTException;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.jwt.proc.JWTClaimsSetVerifier;
import java.net.URI;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** nimbus-jose-jwt verifies tokens of every algorithm with its caching source of keys. */
class NimbusTest {
    static Iterable<Server> servers() {
        return Server.all();
    }

    @ParameterizedTest
    @MethodSource("servers")
    void verifiesATokenFromTheKeySet(Server server) throws Exception {
        String token = server.accessToken();
        assertEquals(server.algorithm(), SignedJWT.parse(token).getHeader().getAlgorithm().getName());
        JWTClaimsSet claims = verify(server, server.baseUrl(), token);
        assertEquals(server.clientId(), claims.getSubject());
        assertEquals(server.clientId(), claims.getStringClaim("client_id"));
        assertEquals(3_600_000, claims.getExpirationTime().getTime() - claims.getIssueTime().getTime());
    }

    @ParameterizedTest
    @MethodSource("servers")
    void refusesOtherClaims(Server server) throws Exception {
        SignedJWT token = SignedJWT.parse(server.accessToken());
        JWTClaimsSet claims = new JWTClaimsSet.Builder(token.getJWTClaimsSet()).subject("somebody").build();
        Base64URL[] parts = token.getParsedParts();
        Base64URL forged = claims.toPayload().toBase64URL();
        String forgery = parts[0] + "." + forged + "." + parts[2];
        assertThrows(BadJWSException.class, () -> verify(server, server.baseUrl(), forgery));
    }

    @ParameterizedTest
    @MethodSource("servers")
    void refusesATokenForSomebodyElse(Server server) throws Exception {
        String token = server.accessToken();
        assertThrows(BadJWTException.class, () -> verify(server, "https://files.example.com/", token));
    }

    private static JWTClaimsSet verify(Server server, String audience, String text) throws Exception {
        var url = URI.create(server.baseUrl() + "/.well-known/jwks.json").toURL();
        JWKSource<SecurityContext> keys = JWKSourceBuilder.create(url).build();
        var types = new DefaultJOSEObjectTypeVerifier<SecurityContext>(new JOSEObjectType("at+jwt"));
        var issuer = new JWTClaimsSet.Builder().issuer(server.baseUrl()).build();
        var required = Set.of("sub", "exp", "iat", "jti", "client_id", "scope");
        var rules = new DefaultJWTClaimsVerifier<SecurityContext>(audience, issuer, required);
        if (server.algorithm().equals("EdDSA")) {
            return verifyEdDsa(text, keys, types, rules);
        }
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSTypeVerifier(types);
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.parse(server.algorithm()), keys));
        processor.setJWTClaimsSetVerifier(rules);
        return processor.process(text, null);
    }

    /** The steps of the library's processor, which does not know EdDSA, with its verifier, which does. */
    private static JWTClaimsSet verifyEdDsa(
            String text,
            JWKSource<SecurityContext> keys,
            JOSEObjectTypeVerifier<SecurityContext> types,
            JWTClaimsSetVerifier<SecurityContext> rules)
            throws Exception {
        SignedJWT token = SignedJWT.parse(text);
        types.verify(token.getHeader().getType(), null);
        var key = keys.get(new JWKSelector(JWKMatcher.forJWSHeader(token.getHeader())), null).get(0);
        if (!token.verify(new Ed25519Verifier(key.toOctetKeyPair()))) {
            throw new BadJWSException("the signature is not valid");
        }
        rules.verify(token.getJWTClaimsSet(), null);
        return token.getJWTClaimsSet();
    }
}
