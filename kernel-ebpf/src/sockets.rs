//! `TrackSock`, `UntrackSock`: whose a socket is.
//!
//! The network works on sockets while any process runs, or none. A socket that is tracked is remembered with its
//! owner, and events about it show that one as their process.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use serin_abi::config::ACTION_TRACK;
use serin_abi::record::TaskKey;

/// Owners by the address of their `struct sock`. The agent sets the size; the least recently used make room.
#[map]
static SOCKETS: LruHashMap<u64, TaskKey> = LruHashMap::pinned(1, 0);

/// Who owns the socket, if it is tracked.
#[inline(always)]
pub fn owner(socket: u64) -> Option<TaskKey> {
    // SAFETY: entries are only replaced as a whole; a torn read would show a wrong process, not be a bad access.
    unsafe { SOCKETS.get(socket).copied() }
}

/// Takes one of the actions: remembers the owner, or forgets whose the socket is.
#[inline(always)]
pub fn act(action: u32, socket: u64, owner: TaskKey) {
    if socket == 0 {
        return;
    }
    if action & ACTION_TRACK != 0 {
        // The map makes room by itself.
        let _ = SOCKETS.insert(socket, owner, 0);
    } else {
        let _ = SOCKETS.remove(socket);
    }
}
