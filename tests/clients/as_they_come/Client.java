import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** The JDK's own client, as it comes: it offers HTTP/2 with every first request. */
public class Client {
    static final HttpClient HTTP = HttpClient.newHttpClient();

    static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create(System.getenv("BASE") + path))
            .header("X-Api-Key", System.getenv("KEY"))
            .header("Authorization", "Bearer " + System.getenv("TOKEN"));
    }

    static HttpResponse<String> ask(HttpRequest.Builder request) throws Exception {
        return HTTP.send(request.build(), BodyHandlers.ofString());
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println(ask(to("/client/sync").POST(BodyPublishers.ofString(System.getenv("BODY")))).body());
        System.out.println(ask(to("/client/sync?entity_type=todo")).body());
        var stream = HTTP.send(to("/client/sync/stream?entity_type=todo").build(), BodyHandlers.ofLines());
        System.out.println(stream.body().filter(line -> line.startsWith("data: ")).findFirst().get().substring(6));
        var error = ask(to("/client/sync"));
        System.out.println(error.statusCode() + " " + error.body());
        System.exit(0);
    }
}
