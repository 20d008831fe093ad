// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509/pkix"
	"errors"
	"net"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeCredentials writes the keys, certificates and kubeconfig of the cluster. All components are administrators; the service accounts
// of pods are not.
func (c *cluster) writeCredentials() error {
	dir := c.path("certs")
	ca, err := newAuthority(dir)
	if err != nil {
		return err
	}
	// The authority's subject is another one: OpenSSL calls a certificate self-signed whose subject is its issuer's.
	if err := errors.Join(
		ca.issue("server", pkix.Name{CommonName: "testcluster-server"},
			[]net.IP{net.ParseIP(nodeIP4), net.ParseIP(nodeIP6), net.ParseIP(apiServiceIP4)},
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
		ca.issue("admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, nil),
		ca.issue("sa", pkix.Name{CommonName: "service-accounts"}, nil),
	); err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["testcluster"] = &clientcmdapi.Cluster{
		Server:               "https://" + nodeIP4 + ":6443",
		CertificateAuthority: dir + "/ca.crt",
	}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{
		ClientCertificate: dir + "/admin.crt",
		ClientKey:         dir + "/admin.key",
	}
	config.Contexts["testcluster"] = &clientcmdapi.Context{Cluster: "testcluster", AuthInfo: "admin"}
	config.CurrentContext = "testcluster"
	return clientcmd.WriteToFile(*config, c.path("kubeconfig"))
}
