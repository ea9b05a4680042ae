//! Arguments of USDT probes: constants, or what registers and memory of the program hold where the probe is.

use aya_ebpf::helpers::generated::bpf_probe_write_user;
use serin_abi::config::{HookConfig, OPERAND_CONSTANT, OPERAND_MEMORY, Operand, Selector};
use serin_abi::selector::{constant, entry};

use crate::arguments::Registers;
use crate::fault_in;
use crate::memory::copy_user;

/// The value of an argument, extended to 64 bits, and whether it can be read.
#[inline(always)]
pub fn read<R: Registers>(config: &HookConfig, registers: &R, index: u32) -> (u64, bool) {
    let operand = entry(&config.operands, index);
    let (value, readable) = match constant(&operand.kind) {
        OPERAND_CONSTANT => (constant(&operand.value), true),
        OPERAND_MEMORY => {
            let address = address(operand, registers);
            if R::MAY_SLEEP {
                fault_in::touch_bytes(address, constant(&operand.size).into());
            }
            load(address, constant(&operand.size))
        }
        _ => (registers.numbered_register(constant(&operand.register)), true),
    };
    (extend(value, constant(&operand.size), constant(&operand.signed)), readable)
}

/// `Set`: writes four bytes where an argument is.
#[inline(always)]
pub fn set(config: &HookConfig, registers: &impl Registers, selector: &Selector) -> bool {
    let operand = entry(&config.operands, constant(&selector.set_operand));
    let value = constant(&selector.set_value);
    // SAFETY: the value has four bytes; the helper checks the destination.
    unsafe {
        let (to, from) = (address(operand, registers), (&raw const value).cast());
        bpf_probe_write_user(to as *mut _, from, size_of::<u32>() as u32) == 0
    }
}

/// Where an argument in memory is.
#[inline(always)]
fn address(operand: &Operand, registers: &impl Registers) -> u64 {
    let base = registers.numbered_register(constant(&operand.register));
    let index = registers.numbered_register(constant(&operand.index));
    let scaled = index.wrapping_mul(u64::from(constant(&operand.scale)));
    constant(&operand.value).wrapping_add(base).wrapping_add(scaled)
}

#[inline(always)]
fn load(address: u64, size: u32) -> (u64, bool) {
    let mut value = 0_u64;
    let to = (&raw mut value).cast();
    // SAFETY: the value has eight bytes.
    let readable = unsafe {
        match size {
            1 => copy_user(to, address, 1),
            2 => copy_user(to, address, 2),
            4 => copy_user(to, address, 4),
            _ => copy_user(to, address, 8),
        }
    };
    (value, readable)
}

#[inline(always)]
fn extend(value: u64, size: u32, signed: u32) -> u64 {
    match (size, signed) {
        (1, 0) => u64::from(value as u8),
        (1, _) => i64::from(value as i8) as u64,
        (2, 0) => u64::from(value as u16),
        (2, _) => i64::from(value as i16) as u64,
        (4, 0) => u64::from(value as u32),
        (4, _) => i64::from(value as i32) as u64,
        _ => value,
    }
}
