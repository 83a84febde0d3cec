// Package load is the load generator behind `synod bench`: a closed loop of workers, each of which sends its next
// request when the one before has ended.
//
//	result, err := load.Run(ctx, options, ports)
//
// A run writes all keys once (unless told not to), warms up, measures, and gives rates and latencies. Workers share
// connections evenly. Keys are 16 bytes, uniform over the key space; values are random bytes. Only what ends inside the
// measured time counts.
//
// The generator shares its machine with the servers it measures, so it is kept cheap: keys and values are prepared
// before, a request costs no allocation here, and the clock is read once for each.
package load
