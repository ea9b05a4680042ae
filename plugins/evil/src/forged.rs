//! What a compiler never makes: results whose pointers lie, and an allocator that calls the host.

/// In place of the bindings: what is not named here is theirs.
pub mod exports {
    /// As in `wit/`.
    pub mod serin {
        /// As in `wit/`.
        pub mod plugin {
            /// As in `wit/`.
            #[allow(unsafe_code, reason = "to be evil")]
            pub mod frames {
                pub use serin_plugin::bindings::exports::serin::plugin::frames::*;

                /// Hands back a forged outcome, if that is the deed.
                ///
                /// # Safety
                /// As of the function that it stands in for.
                #[doc(hidden)]
                pub unsafe fn _export_on_frame_cabi<T: Guest>(frame: *mut u8, length: usize) -> *mut u8 {
                    // SAFETY: as the caller vouches for the function that this stands in for.
                    let outcome = unsafe {
                        serin_plugin::bindings::exports::serin::plugin::frames::_export_on_frame_cabi::<T>(
                            frame, length,
                        )
                    };
                    crate::forged::take().map_or(outcome, |forgery| forgery.write(outcome))
                }

                /// Leaves a forged outcome alone: what it points to was not allocated.
                ///
                /// # Safety
                /// As of the function that it stands in for.
                #[doc(hidden)]
                pub unsafe fn __post_return_on_frame<T: Guest>(outcome: *mut u8) {
                    if !crate::forged::is_forged() {
                        // SAFETY: as above, and the outcome is the one that it made.
                        unsafe {
                            serin_plugin::bindings::exports::serin::plugin::frames::__post_return_on_frame::<T>(
                                outcome,
                            );
                        }
                    }
                }
            }
        }
    }
}

use std::cell::Cell;

/// What is wrong with the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgery {
    /// All of it lies outside of the memory.
    Area,
    /// A list begins outside of the memory.
    Outside,
    /// A list has more bytes than there can be.
    Endless,
    /// A list begins at an odd address.
    Odd,
    /// A list is there, and a text in it is not.
    TextOutside,
    /// A text ends outside of the memory.
    TextTooLong,
    /// Key, value and events of an annotation are the annotation itself.
    Overlapping,
}

thread_local! {
    static FORGERY: Cell<Option<Forgery>> = const { Cell::new(None) };
    static FORGED: Cell<bool> = const { Cell::new(false) };
    static REENTER: Cell<bool> = const { Cell::new(false) };
}

/// The outcome of this call is to be forged.
pub(crate) fn forge(forgery: Forgery) {
    FORGERY.set(Some(forgery));
}

/// From now on, the host is called whenever it wants memory.
pub(crate) fn reenter() {
    REENTER.set(true);
}

pub(crate) fn take() -> Option<Forgery> {
    let forgery = FORGERY.take();
    FORGED.set(forgery.is_some());
    forgery
}

/// The last outcome.
pub(crate) fn is_forged() -> bool {
    FORGED.get()
}

/// Behind the end of every memory, and at a multiple of 4.
const FAR: usize = 0xffff_fff0;

impl Forgery {
    /// Overwrites an outcome, which is empty: pointer and length of drops, annotations, alerts and actions.
    #[allow(unsafe_code, reason = "to be evil")]
    fn write(self, outcome: *mut u8) -> *mut u8 {
        let lists = outcome.cast::<usize>();
        // Events, key and value, each by pointer and length.
        let annotation: &'static mut [usize; 6] = Box::leak(Box::new([0; 6]));
        let at = annotation.as_mut_ptr() as usize;
        let (start, length) = match self {
            Self::Area => return FAR as *mut u8,
            Self::Outside => (FAR, 1),
            Self::Endless => (at, usize::MAX / 4),
            Self::Odd => (at + 1, 1),
            Self::TextOutside => {
                *annotation = [at, 0, FAR, 1, at, 0];
                (at, 1)
            }
            Self::TextTooLong => {
                *annotation = [at, 0, at, usize::MAX / 2, at, 0];
                (at, 1)
            }
            Self::Overlapping => {
                *annotation = [at, 6, at + 4, 1, at + 4, 1];
                (at, 1)
            }
        };
        // SAFETY: none for whoever reads it; what is written to is the area that the call before has filled.
        unsafe {
            lists.add(2).write(start);
            lists.add(3).write(length);
        }
        outcome
    }
}

/// In place of the one in the bindings, as long as this is linked first.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "to be evil")]
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn reallocate(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    use std::alloc::{Layout, alloc, realloc};
    if REENTER.get() {
        serin_plugin::log::info("from within");
    }
    if size == 0 {
        return align as *mut u8;
    }
    // SAFETY: the host passes what it was given here before.
    unsafe {
        if old_size == 0 {
            alloc(Layout::from_size_align_unchecked(size, align))
        } else {
            realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
        }
    }
}
