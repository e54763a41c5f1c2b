package presence

import "hash/fnv"

// Partitions is the number of shares of the key space. All that is kept about
// one room is in one of them, so that a single atomic step can touch it all.
// The number is part of the data's layout: changing it moves every room.
const Partitions = 64

// PartitionOf returns the partition of a room, 0 ≤ p < Partitions.
func PartitionOf(room string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(room)) // never fails
	return int(h.Sum32() % Partitions)
}
