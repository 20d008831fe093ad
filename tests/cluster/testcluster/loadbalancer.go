// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// loadBalancers gives Services of type LoadBalancer an address of each of their families: the one that they ask for if it is a
// load-balancer address, or the next one of the first half. Addresses are not used twice. kube-proxy does the rest.
type loadBalancers struct {
	node   *node
	number map[types.UID]int
}

func (n *node) assignLoadBalancers(ctx context.Context, services cache.SharedInformer) error {
	l := &loadBalancers{node: n, number: map[types.UID]int{}}
	_, err := services.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { l.assign(ctx, o.(*corev1.Service)) },
		UpdateFunc: func(_, o any) { l.assign(ctx, o.(*corev1.Service)) },
	})
	return err
}

// assign writes the Service's status where it is not right. What fails is tried again at the next event or resync.
func (l *loadBalancers) assign(ctx context.Context, s *corev1.Service) {
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.Spec.LoadBalancerClass != nil || s.DeletionTimestamp != nil {
		return
	}
	if l.number[s.UID] == 0 {
		l.number[s.UID] = len(l.number) + 1
	}
	ingress := ingressOf(s, loadBalancerAddresses(l.number[s.UID]))
	if slices.EqualFunc(ingress, s.Status.LoadBalancer.Ingress, func(a, b corev1.LoadBalancerIngress) bool { return a.IP == b.IP }) {
		return
	}
	s = s.DeepCopy()
	s.Status.LoadBalancer.Ingress = ingress
	if _, err := l.node.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, s, metav1.UpdateOptions{}); err != nil {
		log.Printf("service %s/%s: %v", s.Namespace, s.Name, err)
	}
}

// ingressOf returns what the status of the Service is to say: nothing where it asks for an address that is not ours to give.
func ingressOf(s *corev1.Service, own addresses) []corev1.LoadBalancerIngress {
	asked, err := netip.ParseAddr(s.Spec.LoadBalancerIP)
	wantsOne := err == nil
	var ingress []corev1.LoadBalancerIngress
	for _, family := range s.Spec.IPFamilies {
		address, prefix := own.v4, loadBalancer4
		if family == corev1.IPv6Protocol {
			address, prefix = own.v6, loadBalancer6
		}
		if wantsOne && asked.Is6() == (family == corev1.IPv6Protocol) {
			if !netip.MustParsePrefix(prefix).Contains(asked) {
				return nil
			}
			address = asked.String()
		}
		ingress = append(ingress, corev1.LoadBalancerIngress{IP: address})
	}
	return ingress
}
