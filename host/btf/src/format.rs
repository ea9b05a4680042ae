//! Formats of trace events: what the record of a tracepoint looks like.
//!
//! The kernel shows one as a text for each event, below `events/` of tracefs.
//!
//! <https://docs.kernel.org/trace/events.html#event-formats>

/// The type of elements that the types of a kernel do not tell.
pub const UNTOLD: &str = "…";

/// The format of a trace event's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The number by which perf_event_open(2) knows the event.
    pub id: u64,
    /// The fields, in the order of the file: those that all events have come first.
    pub fields: Vec<FormatField>,
}

/// A field of a trace event's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatField {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Bytes from the start of the record.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
    /// Whether it is a signed integer.
    pub signed: bool,
}

/// What a field of a trace event's record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// An integer, enum or boolean.
    Integer,
    /// A pointer.
    Pointer {
        /// What it points to, without qualifiers: `struct file`, `char`, `void`.
        target: String,
    },
    /// As many elements as fit into the field's size.
    Array {
        /// The type of one, without qualifiers.
        element: String,
    },
    /// Where in the record an array stands (lower half) and how many bytes it has (upper half).
    Location {
        /// The type of an element, without qualifiers; [`UNTOLD`] if it is not known.
        element: String,
        /// Counted from the end of the field (`__rel_loc`) and not from the start of the record (`__data_loc`).
        relative: bool,
    },
    /// Anything else, e.g. a structure by value.
    Other(String),
}

impl Format {
    /// Reads the text of a `format` file; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.lines().find_map(|line| line.strip_prefix("ID: "))?.trim().parse().ok()?;
        let fields = text.lines().filter_map(|line| line.trim_start().strip_prefix("field:"));
        Some(Format { id, fields: fields.map(field).collect::<Option<_>>()? })
    }
}

/// Reads what follows `field:`: a declaration, then `offset`, `size` and `signed`, each ended by a semicolon.
fn field(text: &str) -> Option<FormatField> {
    let mut parts = text.split(';').map(str::trim);
    let declaration = parts.next()?;
    let mut number = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix(':')?.parse::<u32>().ok();
    let (offset, size) = (number("offset")?, number("size")?);
    // Kernels before 2.6.38 do not tell.
    let signed = number("signed").unwrap_or(0) == 1;
    let (name, kind) = declared(declaration, size)?;
    Some(FormatField { name: name.into(), kind, offset, size, signed })
}

/// The name and kind of a declaration as in C: `const char * filename`, `char comm[16]`, `__data_loc char[] name`.
fn declared(declaration: &str, size: u32) -> Option<(&str, FieldKind)> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let (rest, is_array) = match declaration.split_once('[') {
        Some((before, _)) if declaration.ends_with(']') => (before, true),
        _ => (declaration, false),
    };
    let start = rest.rfind(|character| !is_name(character)).map_or(0, |at| at + 1);
    let (before, name) = rest.split_at(start);
    let location = |prefix: &str, relative| {
        let element = before.trim_start().strip_prefix(prefix)?.trim();
        // Sets of processors have no brackets.
        let element = unqualified(element.strip_suffix("[]").unwrap_or(element));
        Some(FieldKind::Location { element, relative })
    };
    let dynamic = location("__data_loc ", false).or_else(|| location("__rel_loc ", true));
    let kind = match (dynamic, before.trim_end().strip_suffix('*')) {
        (Some(location), _) => location,
        (None, _) if is_array => FieldKind::Array { element: unqualified(before) },
        (None, Some(target)) => FieldKind::Pointer { target: unqualified(target) },
        (None, None) => {
            let name = unqualified(before);
            let is_scalar = matches!(size, 1 | 2 | 4 | 8) && !is_aggregate(&name);
            if is_scalar { FieldKind::Integer } else { FieldKind::Other(name) }
        }
    };
    (!name.is_empty()).then_some((name, kind))
}

/// A type without `const` and the like, with one space between words.
fn unqualified(kind: &str) -> String {
    let qualifiers = ["const", "volatile", "restrict", "__user", "__percpu", "__seg_gs"];
    let words: Vec<_> = kind.split_whitespace().filter(|word| !qualifiers.contains(word)).collect();
    words.join(" ")
}

fn is_aggregate(kind: &str) -> bool {
    kind.starts_with("struct ") || kind.starts_with("union ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TASK_RENAME: &str = "name: task_rename
ID: 204
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:char oldcomm[16];\toffset:12;\tsize:16;\tsigned:0;
\tfield:short oom_score_adj;\toffset:44;\tsize:2;\tsigned:1;

print fmt: \"pid=%d oldcomm=%s field:x\", REC->pid, REC->oldcomm
";

    #[test]
    fn formats_are_read() {
        let format = Format::parse(TASK_RENAME).unwrap();
        assert_eq!(format.id, 204);
        let names: Vec<_> = format.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["common_type", "common_pid", "oldcomm", "oom_score_adj"]);
        let expected = FormatField {
            name: "oldcomm".into(),
            kind: FieldKind::Array { element: "char".into() },
            offset: 12,
            size: 16,
            signed: false,
        };
        assert_eq!(format.fields[2], expected);
        assert_eq!((format.fields[3].size, format.fields[3].signed), (2, true));
    }

    #[test]
    fn declarations_are_those_of_c() {
        let pointer = |target: &str| FieldKind::Pointer { target: target.into() };
        let location = |relative| FieldKind::Location { element: "char".into(), relative };
        for (declaration, size, name, kind) in [
            ("long id", 8, "id", FieldKind::Integer),
            ("enum xfs_group_type type", 4, "type", FieldKind::Integer),
            ("const char * filename", 8, "filename", pointer("char")),
            ("struct __kernel_timespec * rqtp", 8, "rqtp", pointer("struct __kernel_timespec")),
            ("const char *const * argv", 8, "argv", pointer("char *const")),
            ("const void *skaddr", 8, "skaddr", pointer("void")),
            ("unsigned long args[6]", 48, "args", FieldKind::Array { element: "unsigned long".into() }),
            ("__data_loc char[] name", 4, "name", location(false)),
            ("__rel_loc char[] name", 4, "name", location(true)),
            (
                "__data_loc cpumask_t cpumask",
                4,
                "cpumask",
                FieldKind::Location { element: "cpumask_t".into(), relative: false },
            ),
            ("struct timespec64 time", 16, "time", FieldKind::Other("struct timespec64".into())),
        ] {
            assert_eq!(declared(declaration, size), Some((name, kind)), "{declaration}");
        }
    }

    #[test]
    fn cut_off_or_altered_texts_never_panic() {
        for end in 0..TASK_RENAME.len() {
            drop(Format::parse(&TASK_RENAME[..end]));
            drop(Format::parse(&TASK_RENAME[end..]));
        }
        for text in ["", "ID: x", "ID: 1\nfield:", "ID: 1\nfield:int;offset:0;size:4;", "ID: 1\nfield:[]["] {
            drop(Format::parse(text));
        }
        assert_eq!(Format::parse("ID: 1\n\tfield:int x;\toffset:a;\tsize:4;\tsigned:0;"), None);
    }
}
