// A TLS server of Java's own (JSSE) before a broker that has none; tests/servers/src/servers/relay.rs says
// what its arguments mean.

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public final class Relay {
    private static final char[] NO_PASSWORD = new char[0];
    private static final Map<String, String> CIPHERS_1_2 = Map.of(
        "AES-128-GCM", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "AES-256-GCM", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ChaCha20-Poly1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    private static final Map<String, String> CIPHERS_1_3 = Map.of(
        "AES-128-GCM", "TLS_AES_128_GCM_SHA256",
        "AES-256-GCM", "TLS_AES_256_GCM_SHA384",
        "ChaCha20-Poly1305", "TLS_CHACHA20_POLY1305_SHA256");

    public static void main(String[] arguments) throws Exception {
        int broker = Integer.parseInt(arguments[0]);
        Certificate[] clients = certificates(arguments[1]);
        for (String line : Files.readAllLines(Path.of(arguments[2]))) {
            listen(line.split(" "), broker, clients);
        }
        System.out.println(System.getProperty("java.version"));
    }

    private static void listen(String[] words, int broker, Certificate[] clients) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        trusted.setCertificateEntry("clients", clients[0]);
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        Certificate[] chain = certificates(words[6]);
        KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
        own.load(null, null);
        own.setKeyEntry("own", key(words[7], chain[0].getPublicKey().getAlgorithm()), NO_PASSWORD, chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, NO_PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        SSLServerSocket socket = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(
            Integer.parseInt(words[0]), 64, InetAddress.getLoopbackAddress());
        socket.setEnabledProtocols(words[1].equals("-")
            ? new String[] {"TLSv1.2", "TLSv1.3"}
            : new String[] {"TLSv" + words[1]});
        if (!words[3].equals("-")) {
            Map<String, String> ciphers = words[1].equals("1.2") ? CIPHERS_1_2 : CIPHERS_1_3;
            socket.setEnabledCipherSuites(new String[] {ciphers.get(words[3])});
        }
        switch (words[5]) {
            case "required" -> socket.setNeedClientAuth(true);
            case "optional" -> socket.setWantClientAuth(true);
            default -> { }
        }
        new Thread(() -> {
            while (true) {
                try {
                    SSLSocket device = (SSLSocket) socket.accept();
                    new Thread(() -> pass(device, broker)).start();
                } catch (Exception gone) {
                    return;
                }
            }
        }).start();
    }

    private static void pass(SSLSocket device, int port) {
        try (device) {
            device.startHandshake();
            try (Socket broker = new Socket(InetAddress.getLoopbackAddress(), port)) {
                Thread back = new Thread(() -> copy(broker, device));
                back.start();
                copy(device, broker);
            }
        } catch (Exception told) {
            // The device tells what it sees of it.
        }
    }

    private static void copy(Socket from, Socket to) {
        try (to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] buffer = new byte[4096];
            for (int length; (length = in.read(buffer)) > 0; ) {
                out.write(buffer, 0, length);
                out.flush();
            }
        } catch (Exception ended) {
            // As connections end.
        }
    }

    private static Certificate[] certificates(String path) throws Exception {
        byte[] text = Files.readAllBytes(Path.of(path));
        return CertificateFactory.getInstance("X.509")
            .generateCertificates(new ByteArrayInputStream(text))
            .toArray(new Certificate[0]);
    }

    private static PrivateKey key(String path, String algorithm) throws Exception {
        String text = Files.readString(Path.of(path)).replaceAll("-----[A-Z ]+-----", "");
        byte[] der = Base64.getMimeDecoder().decode(text);
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
    }
}
