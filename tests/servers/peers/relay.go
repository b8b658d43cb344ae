// A TLS server of Go's crypto/tls before a broker that has none; tests/servers/src/servers/relay.rs says
// what its arguments mean.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
)

var groups = map[string]tls.CurveID{
	"P-256": tls.CurveP256, "P-384": tls.CurveP384, "X25519": tls.X25519, "P-521": tls.CurveP521,
}

// Those of TLS 1.3 are Go's own choice.
var ciphers = map[string]uint16{
	"AES-128-GCM":       tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"AES-256-GCM":       tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ChaCha20-Poly1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

var clients = map[string]tls.ClientAuthType{
	"unasked":  tls.NoClientCert,
	"optional": tls.VerifyClientCertIfGiven,
	"required": tls.RequireAndVerifyClientCert,
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pass(device net.Conn, broker string) {
	defer device.Close()
	if device.(*tls.Conn).Handshake() != nil {
		return
	}
	server, err := net.Dial("tcp", broker)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(device, server)
		device.Close()
	}()
	io.Copy(server, device)
}

func main() {
	broker := "127.0.0.1:" + os.Args[1]
	pem, err := os.ReadFile(os.Args[2])
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	lines, err := os.ReadFile(os.Args[3])
	must(err)
	for _, line := range strings.Split(strings.TrimSpace(string(lines)), "\n") {
		words := strings.Fields(line)
		certificate, err := tls.LoadX509KeyPair(words[6], words[7])
		must(err)
		config := &tls.Config{
			Certificates:           []tls.Certificate{certificate},
			MinVersion:             tls.VersionTLS12,
			ClientAuth:             clients[words[5]],
			ClientCAs:              roots,
			SessionTicketsDisabled: words[4] == "off",
		}
		switch words[1] {
		case "1.2":
			config.MaxVersion = tls.VersionTLS12
		case "1.3":
			config.MinVersion = tls.VersionTLS13
		}
		if group, ok := groups[words[2]]; ok {
			config.CurvePreferences = []tls.CurveID{group}
		}
		if cipher, ok := ciphers[words[3]]; ok {
			config.CipherSuites = []uint16{cipher}
		}
		listener, err := tls.Listen("tcp", "127.0.0.1:"+words[0], config)
		must(err)
		go func() {
			for {
				device, err := listener.Accept()
				must(err)
				go pass(device, broker)
			}
		}()
	}
	fmt.Println(strings.TrimPrefix(runtime.Version(), "go"))
	select {}
}
