import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;

/**
 * Runs one node in this process: Launcher HOME [setting=value]... The plugins
 * are the classes that -Dplugins names. It says "started" on its standard output,
 * ends in good order on SIGTERM, and at once when its standard input ends: then
 * whoever started it is gone.
 *
 * OpenSearch's classes have the same names in another package, so that this file
 * serves both: the harness puts that package's name in before it compiles.
 */
public class Launcher {
    static class Started extends Node {
        Started(Environment environment, List<Class<? extends Plugin>> plugins) {
            super(environment, plugins, true);
        }
    }

    public static void main(String[] args) throws Exception {
        watchInput();
        Path home = Path.of(args[0]);
        Path config = Files.createDirectories(home.resolve("config"));
        Settings.Builder settings = Settings.builder().put("path.home", home.toString());
        for (int i = 1; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            settings.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        for (String name : System.getProperty("plugins").split(",")) {
            plugins.add(Class.forName(name).asSubclass(Plugin.class));
        }
        Node node = new Started(InternalSettingsPreparer.prepareEnvironment(settings.build(), Collections.emptyMap(), config, () -> "node"), plugins);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (IOException e) {
                e.printStackTrace();
            }
        }));
        node.start();
        System.out.println("started");
    }

    /** Nor does the process end before: all threads of a node are daemons, this one is not. */
    static void watchInput() {
        new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (IOException e) {
                // as good as its end
            }
            Runtime.getRuntime().halt(1);
        }).start();
    }
}
