package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/served"
)

// request is a call as it goes over the wire. Zero timeout: the plugin's own.
func request(address, plugin string, timeout time.Duration, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/plugins/%s/invoke HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n",
		plugin, address, len(body))
	if timeout > 0 {
		fmt.Fprintf(&b, "Prism-Timeout: %s\r\n", timeout)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// connect makes so many connections for a call. They open when they are first used.
func connect(p *served.Process, count int, plugin string, timeout time.Duration, body []byte) []*connection {
	address := strings.TrimPrefix(p.Address, "http://")
	return connections(address, count, request(address, plugin, timeout, body))
}

// connections makes so many for a request as it goes over the wire.
func connections(address string, count int, bytes []byte) []*connection {
	crowd := make([]*connection, count)
	for i := range crowd {
		crowd[i] = newConnection(address, bytes)
	}
	return crowd
}

// disconnect closes connections on which nothing is under way.
func disconnect(crowd []*connection) {
	for _, c := range crowd {
		c.giveUp()
	}
}
