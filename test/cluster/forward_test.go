//go:build linux

package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// listen returns a listener on a free port, closed when the test ends.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// through returns both ends of a connection that was passed on.
func through(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	behind, front := listen(t), listen(t)
	go forward(front, func() (net.Conn, error) { return net.Dial("tcp", behind.Addr().String()) })
	c, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := behind.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	s.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// A client that has said all it has to say still gets its answer.
func TestForwardHalfClosed(t *testing.T) {
	client, server := through(t)
	question := bytes.Repeat([]byte("question "), 100_000)
	go func() {
		client.Write(question)
		client.CloseWrite()
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, question) {
		t.Fatalf("the server read %d bytes, %v; want %d", len(got), err, len(question))
	}
	if _, err := io.WriteString(server, "answer"); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if answer, err := io.ReadAll(client); err != nil || string(answer) != "answer" {
		t.Fatalf("the client read %q, %v; want the answer", answer, err)
	}
}

// A connection that breaks on one side does not stay open on the other.
func TestForwardBroken(t *testing.T) {
	client, server := through(t)
	server.SetLinger(0) // closes with a reset
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Fatal("the client still reads")
	} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatalf("the client was left waiting: %v", err)
	}
}

// When nothing is behind, the client is told at once.
func TestForwardNothingBehind(t *testing.T) {
	front, gone := listen(t), listen(t)
	gone.Close()
	ended := make(chan error)
	go func() {
		ended <- forward(front, func() (net.Conn, error) { return net.Dial("tcp", gone.Addr().String()) })
	}()
	client, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client read %v, want the end", err)
	}
	front.Close()
	if err := <-ended; err != nil {
		t.Errorf("forward returned %v after its listener was closed", err)
	}
}
