// Command kfake serves an in-memory Kafka on loopback: SASL and ACLs are on, and one super user is in it.
//
// Its one argument names a file of settings (JSON); passwords go through it, as arguments are for all to see.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// settings is what the Python side writes.
type settings struct {
	// Brokers: where each listens, and what clients are told of it.
	Brokers []broker `json:"brokers"`
	// User and Password of the super user, who authenticates with SCRAM-SHA-512.
	User     string `json:"user"`
	Password string `json:"password"`
	// Config of all brokers, with Kafka's names.
	Config map[string]string `json:"config"`
}

type broker struct {
	Port       int `json:"port"`
	Advertised int `json:"advertised"`
}

// advertised is a listener whose clients are told another port of the same host, that of a proxy before it.
type advertised struct {
	net.Listener
	port int
}

func (a advertised) Addr() net.Addr {
	real := a.Listener.Addr().(*net.TCPAddr)
	return &net.TCPAddr{IP: real.IP, Port: a.port}
}

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	cluster, err := kfake.NewCluster(options(s)...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	<-asked
	return nil
}

func options(s settings) []kfake.Opt {
	ports := make([]int, 0, len(s.Brokers))
	told := make(map[string]int, len(s.Brokers))
	for _, b := range s.Brokers {
		ports = append(ports, b.Port)
		told[fmt.Sprintf("127.0.0.1:%d", b.Port)] = b.Advertised
	}
	listen := func(network, address string) (net.Listener, error) {
		listener, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		return advertised{listener, told[address]}, nil
	}
	return []kfake.Opt{
		kfake.Ports(ports...),
		kfake.ListenFn(listen),
		kfake.EnableSASL(),
		kfake.EnableACLs(),
		kfake.Superuser("SCRAM-SHA-512", s.User, s.Password),
		kfake.BrokerConfigs(s.Config),
		kfake.WithLogger(kfake.BasicLogger(os.Stderr, kfake.LogLevelWarn)),
	}
}
