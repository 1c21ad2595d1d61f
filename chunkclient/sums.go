package chunkclient

import (
	"hash/crc32"

	"github.com/stampede-store/stampede/object"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockSum is the checksum of one block.
func blockSum(block []byte) uint32 { return crc32.Checksum(block, castagnoli) }

// blocksOf is the number of blocks of n bytes.
func blocksOf(n int) int { return (n + object.BlockBytes - 1) / object.BlockBytes }
