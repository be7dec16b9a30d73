package agentidp;

import com.nimbusds.jose.util.JSONObjectUtils;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** A server of this run, which signs with {@code algorithm}. */
record Server(String algorithm, String baseUrl, String clientId, String clientSecret) {
    /** All servers, as {@code tests/run} hands them over. */
    static List<Server> all() {
        String text = System.getenv("AGENTIDP_SERVERS");
        if (text == null) {
            throw new IllegalStateException("AGENTIDP_SERVERS is not set; start this suite with `tests/run java`");
        }
        try {
            return JSONObjectUtils.parse(text).entrySet().stream().map(Server::of).toList();
        } catch (ParseException exception) {
            throw new IllegalStateException("AGENTIDP_SERVERS is no JSON", exception);
        }
    }

    private static Server of(Map.Entry<String, Object> entry) {
        Map<?, ?> line = (Map<?, ?>) entry.getValue();
        return new Server(
                entry.getKey(),
                (String) line.get("baseUrl"),
                (String) line.get("clientId"),
                (String) line.get("clientSecret"));
    }

    /** A new access token for the server itself. */
    String accessToken() throws IOException, InterruptedException, ParseException {
        String form = "grant_type=client_credentials&client_id=" + encode(clientId) + "&client_secret=" + encode(clientSecret);
        var request = HttpRequest.newBuilder(URI.create(baseUrl + "/api/v1/token"))
                .timeout(Duration.ofSeconds(30))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(BodyPublishers.ofString(form))
                .build();
        var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IOException("status " + answer.statusCode());
        }
        return JSONObjectUtils.getString(JSONObjectUtils.parse(answer.body()), "access_token");
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** The name in reports: without the secret. */
    @Override
    public String toString() {
        return algorithm;
    }
}
