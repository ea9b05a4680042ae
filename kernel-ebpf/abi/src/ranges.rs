//! Finding a number among ranges in ascending order, by bisection.

use crate::{CONTINUE, Number, Range, STOP, repeat};

/// The values of range filters.
pub trait Ranges {
    /// The range with this number; it must stay valid.
    fn range(index: u32) -> Option<*const Range>;
}

/// A search for a number. In the kernel it must lie in a map: see [`crate::text::Search`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Bisection {
    value: Number,
    /// The ranges that may hold the number: from `low` up to, without, `high`.
    low: u32,
    high: u32,
    found: u64,
}

/// Whether the number is in one of `count` ranges from `first` on.
///
/// # Safety
/// `search` must be valid.
#[inline(always)]
pub unsafe fn contains<R: Ranges>(search: *mut Bisection, value: Number, (first, count): (u32, u32)) -> bool {
    let mut context = search;
    // SAFETY: the caller vouches for the pointer.
    unsafe {
        search.write(Bisection { value, low: first, high: first.wrapping_add(count), found: 0 });
        // Each step halves what is left.
        repeat(u32::BITS - count.leading_zeros(), &mut context, step::<R>);
        (&raw const (*search).found).read_volatile() == 1
    }
}

extern "C" fn step<R: Ranges>(_: u32, search: &mut *mut Bisection) -> i64 {
    let search = *search;
    // SAFETY: the caller of `contains` vouches for the search, `Ranges` for the range.
    unsafe {
        let (low, high) = ((*search).low, (*search).high);
        if low >= high {
            return STOP;
        }
        let middle = low.wrapping_add(high.wrapping_sub(low) / 2);
        let Some(range) = R::range(middle) else { return STOP };
        let value = (*search).value;
        if is_less(value, (*range).first) {
            (*search).high = middle;
        } else if is_less((*range).last, value) {
            (*search).low = middle.wrapping_add(1);
        } else {
            (*search).found = 1;
            return STOP;
        }
    }
    CONTINUE
}

/// The derived order, without its three-way comparison.
#[inline(always)]
fn is_less(left: Number, right: Number) -> bool {
    left.high < right.high || left.high == right.high && left.low < right.low
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Number = Number { high: 0, low: 0 };

    /// Every tenth number and the next, from 10 on: twenty in the lower half of all numbers, twenty in the upper.
    static TABLE: [Range; 40] = {
        let mut table = [Range { first: ZERO, last: ZERO }; 40];
        let mut index = 0;
        while index < 40 {
            let high = index as u64 / 20;
            let low = (index as u64 + 1) * 10;
            table[index] = Range { first: Number { high, low }, last: Number { high, low: low + 1 } };
            index += 1;
        }
        table
    };

    struct Table;

    impl Ranges for Table {
        fn range(index: u32) -> Option<*const Range> {
            TABLE.get(index as usize).map(|range| &raw const *range)
        }
    }

    #[test]
    fn finds_what_a_scan_finds() {
        for (first, count) in [(0, 0), (0, 1), (0, 2), (0, 3), (3, 7), (39, 1), (0, 40)] {
            let ranges = &TABLE[first as usize..(first + count) as usize];
            for value in (0..900).map(|number| Number { high: number / 450, low: number % 450 }) {
                let expected = ranges.iter().any(|range| (range.first..=range.last).contains(&value));
                let mut search = Bisection::default();
                // SAFETY: the search outlives the call.
                let found = unsafe { contains::<Table>(&raw mut search, value, (first, count)) };
                assert_eq!(found, expected, "{value:?} in {count} ranges from {first} on");
            }
        }
    }
}
