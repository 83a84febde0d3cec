// Package monitor is how a daemon tells people what it does: log lines with
// millisecond times on standard error, in a rotated file and in a ring that
// operators read from afar; readable lines of requests and answers, sampled
// under load; counters; and the distribution of sync times.
//
// Nothing in here blocks its caller on a slow reader: the ring forgets its
// oldest lines and counts them, and a request line that is not written costs one
// atomic addition.
package monitor
