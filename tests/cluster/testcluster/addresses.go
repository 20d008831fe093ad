// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// The cluster's addresses. They exist only inside its network namespace, so that clusters beside each other have the same ones.
const (
	nodeIP4, nodeIP6               = "10.243.0.1", "fd00:243::1"
	podCIDR4, podCIDR6             = "10.244.0.0/16", "fd00:244::/64"
	serviceCIDR4, serviceCIDR6     = "10.96.0.0/16", "fd00:96::/112"
	loadBalancer4, loadBalancer6   = "10.245.0.0/16", "fd00:245::/112"
	podGateway4, podGateway6       = "10.244.0.1", "fe80::1"
	apiServiceIP4, dnsServiceIP4   = "10.96.0.1", "10.96.0.10"
	podCIDRs, serviceCIDRs         = podCIDR4 + "," + podCIDR6, serviceCIDR4 + "," + serviceCIDR6
	firstPodNumber, podNumberLimit = 2, 0xfffe
)

// addresses is a pair: the same thing in both families.
type addresses struct{ v4, v6 string }

// list returns the addresses with those of the main family first.
func (a addresses) list() []string { return []string{a.v4, a.v6} }

// podAddresses returns the addresses of the pod with this number.
func podAddresses(number int) addresses {
	return addresses{fmt.Sprintf("10.244.%d.%d", number>>8, number&0xff), fmt.Sprintf("fd00:244::%x", number)}
}

// loadBalancerAddresses returns the addresses of the LoadBalancer Service with this number.
func loadBalancerAddresses(number int) addresses {
	return addresses{fmt.Sprintf("10.245.%d.%d", number>>8, number&0xff), fmt.Sprintf("fd00:245::%x", number)}
}
