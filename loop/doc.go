// Package loop holds thousands of connections on a few event loops.
package loop
