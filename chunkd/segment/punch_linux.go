package segment

import (
	"errors"

	"golang.org/x/sys/unix"
)

func punchFd(fd uintptr, offset, length int64) error {
	for {
		err := unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return errNoHoles
		default:
			return err
		}
	}
}
