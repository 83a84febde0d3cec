package client_test

import (
	"context"
	"errors"
	"fmt"

	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// openExample gives a client of a cluster in memory; with real replicas it is
// client.Open(ctx, client.Endpoints(configuration)).
func openExample(ctx context.Context) (c *client.Client, end func()) {
	cluster := clienttest.New(5)
	c, err := client.Open(ctx, cluster.Endpoints(), client.WithConnector(cluster.Connect))
	if err != nil {
		panic(err)
	}
	return c, func() {
		_ = c.Close() // it always succeeds
		cluster.Close()
	}
}

func ExampleClient_Put() {
	ctx := context.Background()
	c, end := openExample(ctx)
	defer end()
	info, err := c.Put(ctx, []byte("color"), []byte("green"), client.At("r3"))
	fmt.Println(info.Replica, info.Revision, err)
	// Output: r3 1 <nil>
}

func ExampleClient_Get() {
	ctx := context.Background()
	c, end := openExample(ctx)
	defer end()
	_, _ = c.Put(ctx, []byte("color"), []byte("green"))
	for _, key := range []string{"color", "shape"} {
		value, err := c.Get(ctx, []byte(key))
		fmt.Printf("%s: %q, found %t, %v\n", key, value.Value, value.Found, err)
	}
	// Output:
	// color: "green", found true, <nil>
	// shape: "", found false, <nil>
}

func ExampleClient_Delete() {
	ctx := context.Background()
	c, end := openExample(ctx)
	defer end()
	_, _ = c.Put(ctx, []byte("color"), []byte("green"))
	_, err := c.Delete(ctx, []byte("color"))
	value, _ := c.Get(ctx, []byte("color"))
	fmt.Println(err, value.Found)
	// Output: <nil> false
}

func ExampleClient_Scan() {
	ctx := context.Background()
	c, end := openExample(ctx)
	defer end()
	for _, key := range []string{"user/1", "user/2", "zoo"} {
		_, _ = c.Put(ctx, []byte(key), []byte("x"))
	}
	for entry, err := range c.Scan(ctx, []byte("user/")) {
		fmt.Printf("%s %s %v\n", entry.Key, entry.Value, err)
	}
	// Output:
	// user/1 x <nil>
	// user/2 x <nil>
}

// What may have been done is in the error.
func ExampleError() {
	ctx := context.Background()
	c, end := openExample(ctx)
	defer end()
	_, err := c.Put(ctx, nil, []byte("x"))
	var failure *client.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Outcome, "-", failure.Code)
	}
	// Output: not sent - denied
}
