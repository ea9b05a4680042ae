//! Reading a hook's arguments into slots, each at most once and only when asked for.

use core::ffi::c_void;

use serin_abi::MAX_STRING;
use serin_abi::config::{
    ArgumentConfig, COMPAT_SYSCALL, HookConfig, ORIGIN_REGISTER, ORIGIN_TASK, READ_ARRAY, READ_BUFFER,
    READ_DESCRIPTOR, READ_FIELDS, READ_FILENAME, READ_ITERATOR, READ_LOCATION, READ_POINTED,
    READ_RELATIVE_LOCATION, READ_SEGMENTS, READ_TEXT, SIZE_IS_INT, SYSCALL, USDT,
};
use serin_abi::record::{
    ARGUMENT_INCOMPLETE, ARGUMENT_UNREADABLE, Argument, KIND_BINPRM, KIND_BPF_CMD, KIND_BYTES,
    KIND_CAPABILITY, KIND_FILE, KIND_INT, KIND_INT8, KIND_INT16, KIND_LONG, KIND_PATH, KIND_SIZE, KIND_SKB,
    KIND_SOCK, KIND_SOCKADDR, KIND_SOCKADDR_UN, KIND_STRING, KIND_SYSCALL, KIND_UINT, KIND_UINT8,
    KIND_UINT16,
};
use serin_abi::selector::{constant, entry};

use crate::memory::{kernel_string, pointer, string};
use crate::resolve::{Resolved, UNREADABLE, load_text, resolve};
use crate::scratch::{Slot, Work};
use crate::{buffers, files, follow, network, offset, operands, structure, task};

/// When a program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The function is about to run, or whatever is hooked happens.
    Entry,
    /// A system call returns whose arguments could not be read before. They are where they were.
    Late,
    /// The function returns, and its arguments are gone.
    Return,
}

/// Where a program finds the arguments of the function it is attached to.
pub trait Registers {
    /// When the program runs.
    const MOMENT: Moment = Moment::Entry;
    /// What is hooked is in a program, and may be a USDT probe.
    const IN_PROGRAM: bool = false;
    /// The arguments are fields of a tracepoint's record.
    const IN_RECORD: bool = false;
    /// Another program comes after this one, and may hash a file.
    const HASHES: bool = false;
    /// The program may sleep, so that what it reads of a process's memory can be brought in before.
    const MAY_SLEEP: bool = false;

    /// The context that the program was called with.
    fn context(&self) -> *mut c_void;

    /// The argument at this position (below 6) as the calling convention passes it; of a record, the 64 bits at this
    /// offset.
    fn argument(&self, index: u32) -> u64;

    /// The 64-bit register at this offset of the `struct pt_regs` of who is hooked; 0 if its registers are not known.
    #[inline(always)]
    fn register(&self, _offset: u32) -> u64 {
        0
    }

    /// The program's register with this number: 1 and its position in [`serin_abi::config::REGISTERS`].
    #[inline(always)]
    fn numbered_register(&self, _number: u32) -> u64 {
        0
    }

    /// Address of what is at this offset of a tracepoint's record.
    #[inline(always)]
    fn address(&self, _offset: u32) -> u64 {
        0
    }

    /// The 64-bit number at this offset of the `struct pt_regs` that argument 0 points to.
    #[inline(always)]
    fn user_register(&self, offset: u64) -> u64 {
        pointer(self.argument(0) + offset)
    }
}

/// The value of the function's or system call's parameter `index`.
#[inline(always)]
fn raw<R: Registers>(config: &HookConfig, registers: &R, index: u32) -> u64 {
    let read = |offsets| registers.user_register(u64::from(constant(entry(offsets, index))));
    match constant(&config.source) {
        SYSCALL => read(&crate::OFFSETS.syscall_argument),
        COMPAT_SYSCALL => u64::from(read(&crate::OFFSETS.compat_argument) as u32),
        USDT if R::IN_PROGRAM => operands::read(config, registers, index).0,
        _ => registers.argument(index),
    }
}

/// What an argument is, as a parameter would hold it.
#[inline(always)]
pub fn value<R: Registers>(config: &HookConfig, registers: &R, argument: &ArgumentConfig) -> Resolved {
    let index = constant(&argument.index);
    if R::IN_PROGRAM && constant(&config.source) == USDT {
        let (value, readable) = operands::read(config, registers, index);
        let Resolved { value, failed } = resolve::<R>(config, argument, value);
        // Of what cannot be read, no step is told.
        return Resolved { value, failed: if readable { failed } else { UNREADABLE } };
    }
    let value = match constant(&argument.origin) {
        ORIGIN_TASK => task::current(),
        ORIGIN_REGISTER => register(config, registers, index) & lower(constant(&argument.width)),
        _ => raw(config, registers, index),
    };
    resolve::<R>(config, argument, value)
}

/// A register: of a system call, as the program left it; else, as it is where the hook is.
#[inline(always)]
fn register(config: &HookConfig, registers: &impl Registers, offset: u32) -> u64 {
    match constant(&config.source) {
        SYSCALL | COMPAT_SYSCALL => registers.user_register(u64::from(offset)),
        _ => registers.register(offset),
    }
}

/// The bits of this many bytes.
#[inline(always)]
fn lower(bytes: u32) -> u64 {
    u64::MAX >> (64 - 8 * u64::from(bytes))
}

/// Reads the argument of `slot` of the configuration into its slot of memory. Nothing must be in the record of `work` yet.
#[inline(always)]
pub fn load<R: Registers>(config: &HookConfig, registers: &R, slot: u32, to: *mut Slot, work: *mut Work) {
    let argument = entry(&config.arguments, slot);
    let kind = constant(&argument.kind);
    let header = Argument { length: 0, kind: kind as u8, flags: 0, mode: 0 };
    // SAFETY: a pointer to a map value.
    unsafe {
        (*to).header = header;
        (*to).before = 0;
    }
    let Resolved { value, failed } = self::value(config, registers, argument);
    // SAFETY: as above.
    unsafe { (*to).raw = value };
    let read = constant(&argument.read);
    let loaded = match kind {
        _ if read == READ_FIELDS => structure::load(config, argument, to, value),
        _ if read == READ_BUFFER => buffers::load(to, value, size(config, registers, argument)),
        _ if read == READ_SEGMENTS => {
            let entry = if constant(&config.source) == COMPAT_SYSCALL { 8 } else { 16 };
            buffers::load_segments(to, work, (value, entry), size(config, registers, argument))
        }
        _ if read == READ_ITERATOR => buffers::load_iterator(to, value),
        _ if read == READ_POINTED => load_pointed(to, value),
        _ if R::IN_RECORD && read == READ_ARRAY => {
            load_array(to, kind, registers.address(constant(&argument.index)), constant(&argument.size))
        }
        _ if read == READ_TEXT => load_text(to, value, constant(&argument.size)),
        _ if R::IN_RECORD && read == READ_LOCATION => {
            load_array(to, kind, registers.address(0) + u64::from(value as u16), value as u32 >> 16)
        }
        _ if R::IN_RECORD && read == READ_RELATIVE_LOCATION => {
            let after = registers.address(constant(&argument.index) + size_of::<u32>() as u32);
            load_array(to, kind, after + u64::from(value as u16), value as u32 >> 16)
        }
        KIND_SYSCALL => {
            put_integer(to, value | u64::from(task::in_32_bit_syscall()) << 31);
            true
        }
        KIND_STRING if read == READ_FILENAME => load_string(to, pointer(value + offset!(filename_name))),
        KIND_STRING => load_string(to, value),
        KIND_FILE if read == READ_DESCRIPTOR && constant(&config.follows) != 0 => {
            follow::load(to, value as u32) || files::load(to, kind, read, value)
        }
        KIND_FILE | KIND_PATH | KIND_BINPRM => files::load(to, kind, read, value),
        KIND_SOCK => network::load_sock(to, read, value),
        KIND_SKB => network::load_packet(to, value),
        KIND_SOCKADDR => network::load_address(to, value),
        KIND_SOCKADDR_UN => network::load_unix_address(to, value),
        _ => load_integer(to, kind, value),
    };
    if !(loaded & (failed == 0)) {
        // SAFETY: a pointer to a map value.
        unsafe {
            (*to).header.length = 0;
            (*to).header.flags = ARGUMENT_UNREADABLE;
            (*to).header.mode = failed as u16;
        }
    }
}

/// The parameter that says how many bytes or segments there are.
#[inline(always)]
pub fn size<R: Registers>(config: &HookConfig, registers: &R, argument: &ArgumentConfig) -> i64 {
    let size = constant(&argument.size);
    let number = raw(config, registers, size & (SIZE_IS_INT - 1));
    if size & SIZE_IS_INT != 0 { i64::from(number as i32) } else { number as i64 }
}

/// Reads what the function returned into its slot of memory. An error number in a socket's place cannot be read.
#[inline(always)]
pub fn load_returned(config: &HookConfig, value: u64, to: *mut Slot) {
    const MAX_ERRNO: u64 = 4095;
    let kind = constant(&config.returned.kind);
    // SAFETY: a pointer to a map value.
    unsafe { (*to).header = Argument { length: 0, kind: kind as u8, flags: 0, mode: 0 } };
    let loaded = match kind {
        KIND_SOCK if value.wrapping_neg() <= MAX_ERRNO => false,
        KIND_SOCK => network::load_sock(to, constant(&config.returned.read), value),
        _ => load_integer(to, kind, value),
    };
    if !loaded {
        // SAFETY: as above.
        unsafe { (*to).header.flags = ARGUMENT_UNREADABLE };
    }
}

#[inline(always)]
fn load_integer(to: *mut Slot, kind: u32, value: u64) -> bool {
    let value = match kind {
        KIND_INT | KIND_CAPABILITY | KIND_BPF_CMD => i64::from(value as i32) as u64,
        KIND_UINT => u64::from(value as u32),
        KIND_INT8 => i64::from(value as i8) as u64,
        KIND_INT16 => i64::from(value as i16) as u64,
        KIND_UINT8 => u64::from(value as u8),
        KIND_UINT16 => u64::from(value as u16),
        KIND_LONG | KIND_SIZE => value,
        _ => return false,
    };
    put_integer(to, value);
    true
}

/// Reads an integer of 64 bits that a pointer leads to.
#[inline(always)]
fn load_pointed(to: *mut Slot, from: u64) -> bool {
    put_integer(to, pointer(from));
    from != 0
}

#[inline(always)]
fn put_integer(to: *mut Slot, value: u64) {
    // SAFETY: a pointer to a map value; the buffer is aligned to eight and longer.
    unsafe {
        (*to).integer = value;
        (*to).start = 0;
        (&raw mut (*to).buffer).cast::<u64>().write(value);
        (*to).header.length = 8;
    }
}

#[inline(always)]
fn load_string(to: *mut Slot, address: u64) -> bool {
    // SAFETY: a pointer to a map value.
    unsafe {
        let Some(with_nul) = string(&raw mut (*to).buffer, address) else { return false };
        (*to).start = 0;
        (*to).header.length = with_nul - 1;
        if with_nul as usize > MAX_STRING {
            (*to).header.flags = ARGUMENT_INCOMPLETE;
        }
    }
    true
}

/// Reads the bytes of an array of the kernel's with this many, or the string in it, which need not end with a NUL.
#[inline(always)]
fn load_array(to: *mut Slot, kind: u32, address: u64, size: u32) -> bool {
    if kind == KIND_BYTES {
        return buffers::load(to, address, size.into());
    }
    let size = if size > MAX_STRING as u32 { MAX_STRING as u32 } else { size };
    // SAFETY: a pointer to a map value, whose buffer is longer than the longest string and its NUL.
    unsafe {
        let Some(with_nul) = kernel_string((&raw mut (*to).buffer).cast(), address, size + 1) else {
            return false;
        };
        (*to).start = 0;
        (*to).header.length = with_nul - 1;
    }
    true
}
