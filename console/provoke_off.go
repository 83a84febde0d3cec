//go:build !provoked

package main

// provoke does nothing in the program that people use.
func provoke(func(string) string) {}
