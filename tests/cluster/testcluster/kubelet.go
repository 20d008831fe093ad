// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// kubeletPort is the port of kubelet's API, of which the node has the logs (kubectl logs; the conformance suite's look at the backends of
// mirrored requests) and exec.
const kubeletPort = 10250

const execIdle = 4 * time.Hour

// serveKubelet serves kubelet's API, to the API server only.
func (n *node) serveKubelet() error {
	certs := filepath.Join(n.dir, "certs")
	ca, err := os.ReadFile(filepath.Join(certs, "ca.crt"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		path := n.logFile(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
		if err := copyLog(w, r, path); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", n.serveExec)
	server := &http.Server{
		Addr:    net.JoinHostPort(nodeIP4, fmt.Sprint(kubeletPort)),
		Handler: mux,
		TLSConfig: &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs:  pool,
			NextProtos: []string{"http/1.1"}, // exec changes to another protocol, which HTTP/2 has no way for
		},
	}
	go func() {
		log.Fatal(server.ListenAndServeTLS(filepath.Join(certs, "server.crt"), filepath.Join(certs, "server.key")))
	}()
	return nil
}

func (n *node) serveExec(w http.ResponseWriter, r *http.Request) {
	p := n.pod(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "no such pod", http.StatusNotFound)
		return
	}
	c := p.container(r.PathValue("container"))
	if c == nil {
		http.Error(w, "no such container", http.StatusNotFound)
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, executor{c}, p.spec.Name, string(p.spec.UID), c.spec.Name, r.Form["command"], options,
		execIdle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}
