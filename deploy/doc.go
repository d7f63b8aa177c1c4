// Package deploy holds what a monitoring system takes up of prismrt, and the tests of it,
// which need Prometheus' own parser. It is a module of its own, so that the server does
// not get what that needs.
package deploy
