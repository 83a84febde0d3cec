// Package wal is the acceptor's log: opaque records, appended in batches, durable after Sync, replayed by Open.
//
// Use: Create once, for a new acceptor; Open at every later start, which hands every record to a callback and returns
// only when all it handed out is durable. Then Append a batch, Sync, and only then let the messages leave that rest on
// it. ReadAt gets one record back by the Position that Append or Open gave. Release lets go of the oldest segments, once
// what must outlive them has been appended anew; that bounds the files, and the time of Open. End with Close, or with
// Abandon to die as in a crash. One goroutine uses a Log; only the making of the next segment may run beside it, and
// Close and Abandon wait for its end. The caller sees to it that no second process has the directory open.
//
// # Bytes
//
// The log is a chain of segments, files "000000000001.segment" and so on, written full of zeros before their first
// use, because a write into such a file needs no change of metadata at its sync. All numbers are little endian, all
// sums CRC-32C. A segment begins with its header:
//
//	 0  magic     8 bytes  "SYNODWAL"
//	 8  version   u32      1
//	12  sum       u32      over bytes 0-12 and 16-128
//	16  segment   u64      number of this segment, from 1
//	24  bytes     u64      length of the file
//	32  cluster   16 bytes \
//	48  run       u64       | whose log this is: cluster, incarnation, replica
//	56  replica   u8 + 7 0 /
//	64  previous  u64      number of the segment before, 0 for none
//	72  end       u64      where the segment before validly ends
//	80  chain     u32 + 4 0  sum of the last batch before that end (or of that segment's header)
//	88  oldest    u64      lowest segment that must exist
//	96  zero      32 bytes
//
// Then batches follow, each at a multiple of 8:
//
//	 0  sum       u32      over bytes 4-48
//	 4  kind      u8 + 3 0  1 records, 2 mark (all before is durable), 3 sealed (a next segment exists)
//	 8  length    u32      bytes of the records that follow
//	12  count     u32      number of the records
//	16  segment   u64      \ where this batch lies
//	24  offset    u64      /
//	32  durable   u64      all of this segment below this offset was durable when this batch was written
//	40  chain     u32      sum of the batch before, or of the segment header
//	44  digest    u32      over the 8-byte headers of all records
//
// and in a batch its records, filled with zeros up to a multiple of 8:
//
//	0  sum       u32      over kind (u8), segment (u64), offset (u64), length (u32), payload and filling
//	4  length    u32      bytes of the payload
//	8  payload
//
// # Why damage and a torn tail can be told apart
//
// A batch is written only behind its predecessor, and a new segment gets its name only after the segment before it is
// durable and its own header, too. So what lies below the end that the next header names, or below the highest durable
// offset that any batch of the last segment names, was durable once: if it does not check now, the disk lost what this
// acceptor may have promised, and Open refuses with ErrDamaged. What lies above was never promised to anybody, with one
// exception: the last batches before a crash, synced but with nothing written after them. There rot and a torn write
// look the same; Open cuts, and the other replicas, who remember what this acceptor said, have to notice. A clean Close
// and every Open write a mark, a batch without records that only says what is durable, and end this exception.
// Segments below the oldest one that the newest header names are released: Open neither needs nor reads them. They go
// only after that header is durable, and one of them, overwritten with zeros, becomes the next spare.
//
// A seal, written when the next segment is durable, tells that the newest segment file has been lost.
//
// Open never writes behind a cut. It copies what was valid but not provably durable (the tail) into a new segment,
// whose header says where the old one ends; so old bytes behind the cut cannot come alive, and bytes that were only in
// the page cache after a failed sync are written anew.
package wal
