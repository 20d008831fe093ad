// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

const dnsZone = "svc.cluster.local."

// resolver is the cluster's DNS server. It knows the addresses of Services, and no other names. It needs no pod and no Service: the address
// that pods ask is local to the cluster's network namespace, as all Service addresses are.
type resolver struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

func serveDNS(ctx context.Context, factory informers.SharedInformerFactory) {
	r := &resolver{
		services: factory.Core().V1().Services().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	for _, network := range []string{"udp", "tcp"} {
		server := &dns.Server{Addr: net.JoinHostPort(dnsServiceIP4, "53"), Net: network, Handler: r}
		go func() {
			if err := server.ListenAndServe(); err != nil && ctx.Err() == nil {
				log.Printf("DNS: %v", err)
			}
		}()
	}
}

// ServeDNS answers a query.
func (r *resolver) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.Authoritative = true
	for _, q := range query.Question {
		addresses, ok := r.resolve(strings.ToLower(q.Name))
		if !ok {
			reply.Rcode = dns.RcodeNameError
		}
		for _, address := range addresses {
			if record := addressRecord(q, address); record != nil {
				reply.Answer = append(reply.Answer, record)
			}
		}
	}
	_ = w.WriteMsg(reply)
}

// addressRecord returns the answer that an address is to a question, or nil if it is of the other family.
func addressRecord(q dns.Question, address string) dns.RR {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return nil
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 5}
	switch {
	case q.Qtype == dns.TypeA && parsed.Is4():
		return &dns.A{Hdr: header, A: parsed.AsSlice()}
	case q.Qtype == dns.TypeAAAA && parsed.Is6():
		return &dns.AAAA{Hdr: header, AAAA: parsed.AsSlice()}
	}
	return nil
}

// resolve returns the addresses of the Service of a name, or if it has none of its own, those of its endpoints, and whether there is such
// a Service.
func (r *resolver) resolve(name string) ([]string, bool) {
	prefix, ok := strings.CutSuffix(name, "."+dnsZone)
	if !ok {
		return nil, false
	}
	service, namespace, _ := strings.Cut(prefix, ".")
	s, err := r.services.Services(namespace).Get(service)
	if err != nil {
		return nil, false
	}
	if s.Spec.ClusterIP != corev1.ClusterIPNone {
		return s.Spec.ClusterIPs, true
	}
	slices, err := r.slices.EndpointSlices(namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service}))
	if err != nil {
		log.Printf("DNS: %v", err)
	}
	var addresses []string
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				addresses = append(addresses, e.Addresses...)
			}
		}
	}
	return addresses, true
}
