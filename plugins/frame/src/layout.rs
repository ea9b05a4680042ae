//! The notation of `schema.rs`: from one table of fields come the view that
//! reads a structure, the writer that fills it, and its description.
//!
//! A structure is a fixed part, whose first four bytes are its size, and data
//! behind it that references in the fixed part lead to. References count from
//! the structure's own start, so a structure can be moved together with its
//! data; only references to shared structures count from the start of the
//! frame's shared part. All integers are little-endian.
//!
//! | type | bytes | meaning |
//! |---|---|---|
//! | `u8` `u16` `u32` `u64` | 1 2 4 8 | integer |
//! | `text` | 8 | u32 offset, u32 length: UTF-8 |
//! | `texts` | 8 | u32 offset, u32 count: that many offset and length pairs, offsets from the first pair |
//! | `(View)` | 4 | u32 offset of a structure; 0: none |
//! | `[View]` | 8 | u32 offset, u32 count: that many structures in a row |
//! | `shared View` | 4 | u32 offset of a structure in the shared part; 0: none |
//! | `shared [View]` | 8 | u32 offset in the shared part, u32 count: that many u32 offsets of structures in the shared part |

/// One field of a structure, as it lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Offset in the structure.
    pub offset: usize,
    /// Name.
    pub name: &'static str,
    /// Type, in the notation of the schema.
    pub kind: &'static str,
}

macro_rules! structure {
    (
        $(#[$doc:meta])*
        $view:ident, $writer:ident: $size:literal
        { $( $(#[$field_doc:meta])* $offset:literal $field:ident: $kind:tt )* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $view<'a>(pub(crate) $crate::read::Structure<'a>);

        impl<'a> $view<'a> {
            /// Size of the fixed part in bytes.
            pub const SIZE: usize = $size;

            /// Every field, in order of offset.
            pub const FIELDS: &'static [$crate::layout::Field] = &[
                $($crate::layout::Field { offset: $offset, name: stringify!($field), kind: stringify!($kind) }),*
            ];

            $(
                $(#[$field_doc])*
                #[inline]
                pub fn $field(&self) -> $crate::layout::value!('a $kind) {
                    $crate::layout::read!(self.0, $offset, $kind)
                }
            )*
        }

        impl<'a> $crate::read::View<'a> for $view<'a> {
            #[inline]
            fn new(structure: $crate::read::Structure<'a>) -> Self {
                Self(structure)
            }
        }

        #[doc = concat!("Fills the fields of a [`", stringify!($view), "`]; those left out read as zero or empty.")]
        #[derive(Debug)]
        pub struct $writer<'w> {
            pub(crate) bytes: &'w mut alloc::vec::Vec<u8>,
            pub(crate) start: usize,
        }

        impl<'w> $writer<'w> {
            $( $crate::layout::write!($(#[$field_doc])* $offset $field: $kind); )*
        }

        impl<'w> $crate::write::Writer<'w> for $writer<'w> {
            type View = $view<'static>;

            #[inline]
            fn begin(bytes: &'w mut alloc::vec::Vec<u8>) -> Self {
                let start = $crate::write::begin::<{ $size }>(bytes);
                Self { bytes, start }
            }
        }
    };
}

macro_rules! value {
    ($a:lifetime u8) => { u8 };
    ($a:lifetime u16) => { u16 };
    ($a:lifetime u32) => { u32 };
    ($a:lifetime u64) => { u64 };
    ($a:lifetime text) => { &$a str };
    ($a:lifetime texts) => { $crate::read::Texts<$a> };
    ($a:lifetime ($view:ident, $writer:ident)) => { Option<$view<$a>> };
    ($a:lifetime [$view:ident, $writer:ident]) => { $crate::read::List<$a, $view<$a>> };
    ($a:lifetime {shared $view:ident}) => { Option<$view<$a>> };
    ($a:lifetime {shared [$view:ident]}) => { $crate::read::SharedList<$a, $view<$a>> };
}

macro_rules! read {
    ($structure:expr, $offset:literal, u8) => {
        $structure.u8($offset)
    };
    ($structure:expr, $offset:literal, u16) => {
        $structure.u16($offset)
    };
    ($structure:expr, $offset:literal, u32) => {
        $structure.u32($offset)
    };
    ($structure:expr, $offset:literal, u64) => {
        $structure.u64($offset)
    };
    ($structure:expr, $offset:literal, text) => {
        $structure.text($offset)
    };
    ($structure:expr, $offset:literal, texts) => {
        $structure.texts($offset)
    };
    ($structure:expr, $offset:literal, ($($pair:tt)*)) => {
        $structure.one($offset)
    };
    ($structure:expr, $offset:literal, [$($pair:tt)*]) => {
        $structure.list($offset)
    };
    ($structure:expr, $offset:literal, {shared $view:ident}) => {
        $structure.shared($offset)
    };
    ($structure:expr, $offset:literal, {shared [$view:ident]}) => {
        $structure.shared_list($offset)
    };
}

macro_rules! write {
    ($(#[$doc:meta])* $offset:literal $field:ident: text) => {
        $(#[$doc])*
        #[inline]
        pub fn $field(&mut self, value: &str) -> &mut Self {
            $crate::write::put_text(self.bytes, self.start, $offset, value);
            self
        }
    };
    ($(#[$doc:meta])* $offset:literal $field:ident: texts) => {
        $(#[$doc])*
        #[inline]
        pub fn $field<T: AsRef<str>>(&mut self, values: &[T]) -> &mut Self {
            $crate::write::put_texts(self.bytes, self.start, $offset, values);
            self
        }
    };
    ($(#[$doc:meta])* $offset:literal $field:ident: ($view:ident, $writer:ident)) => {
        $(#[$doc])*
        #[inline]
        pub fn $field(&mut self) -> $writer<'_> {
            let start = $crate::write::put_one::<{ $view::SIZE }>(self.bytes, self.start, $offset);
            $writer { bytes: self.bytes, start }
        }
    };
    ($(#[$doc:meta])* $offset:literal $field:ident: [$view:ident, $writer:ident]) => {
        $(#[$doc])*
        #[inline]
        pub fn $field<T>(&mut self, items: &[T], mut write: impl FnMut(&T, &mut $writer<'_>)) -> &mut Self {
            let mut start =
                $crate::write::put_list::<{ $view::SIZE }>(self.bytes, self.start, $offset, items.len());
            for item in items {
                write(item, &mut $writer { bytes: self.bytes, start });
                start += $view::SIZE;
            }
            self
        }
    };
    ($(#[$doc:meta])* $offset:literal $field:ident: {shared $view:ident}) => {
        $(#[$doc])*
        #[inline]
        pub fn $field(&mut self, shared: $crate::write::Shared<$view<'static>>) -> &mut Self {
            $crate::write::put(self.bytes, self.start + $offset, &shared.offset().to_le_bytes());
            self
        }
    };
    ($(#[$doc:meta])* $offset:literal $field:ident: {shared [$view:ident]}) => {
        $(#[$doc])*
        #[inline]
        pub fn $field(&mut self, shared: $crate::write::Shared<[$view<'static>]>) -> &mut Self {
            $crate::write::put(self.bytes, self.start + $offset, &shared.offset().to_le_bytes());
            $crate::write::put(self.bytes, self.start + $offset + 4, &shared.count().to_le_bytes());
            self
        }
    };
    ($(#[$doc:meta])* $offset:literal $field:ident: $integer:ident) => {
        $(#[$doc])*
        #[inline]
        pub fn $field(&mut self, value: $integer) -> &mut Self {
            $crate::write::put(self.bytes, self.start + $offset, &value.to_le_bytes());
            self
        }
    };
}

pub(crate) use {read, structure, value, write};
