//! Records of trace events, as far as a kernel's types tell what they are like.

use crate::field::Member;
use crate::kind::{MAX_DEPTH, TypeKind};
use crate::parse::{Kind, Type, read_u32};
use crate::{Btf, FieldKind, FormatField, UNTOLD};

/// What the names of records' structures start with.
const RECORD_PREFIX: &str = "trace_event_raw_";

/// The structure that all records start with, and what it is called in them.
const COMMON: (&str, &str) = ("trace_entry", "ent");

/// What stands behind the last field of a record.
const REST: &str = "__data";

/// Subsystems whose events have no structures, whatever others are called: what the kernel makes of system calls when it
/// starts, what users make (<https://docs.kernel.org/trace/kprobetrace.html>), and what tracers themselves write.
const WITHOUT_RECORDS: [&str; 6] = ["eprobes", "ftrace", "kprobes", "synthetic", "syscalls", "uprobes"];

impl Btf {
    /// The fields of a trace event's record by its structure, `trace_event_raw_NAME`: those that its `format` file has, in the
    /// same order. Of arrays that are as long as they happen to be, the types do not tell the elements, which are [`UNTOLD`].
    ///
    /// `None` if the types have no such structure, or several that differ: those of events that share a class have the name of
    /// the class, and those of system calls (`syscalls/sys_enter_openat`) are made when the kernel starts. Which subsystem an
    /// event is of, the types do not tell otherwise.
    ///
    /// `DECLARE_EVENT_CLASS` in
    /// <https://elixir.bootlin.com/linux/v6.12/source/include/trace/stages/stage1_struct_define.h>.
    #[must_use]
    pub fn record(&self, subsystem: &str, event: &str) -> Option<Vec<FormatField>> {
        if Self::has_no_records(subsystem) {
            return None;
        }
        let name = format!("{RECORD_PREFIX}{event}");
        let is_record = |found: &Type<'_>| found.kind == Kind::Struct && self.is_named(found.name, &name);
        let mut records = self.types().filter(|(_, found)| is_record(found));
        let record = self.fields_of(records.next()?.1)?;
        records.all(|(_, other)| self.fields_of(other).as_ref() == Some(&record)).then_some(record)
    }

    /// Whether the events of a subsystem have no structures, whatever they are called.
    #[must_use]
    pub fn has_no_records(subsystem: &str) -> bool {
        WITHOUT_RECORDS.contains(&subsystem)
    }

    fn fields_of(&self, record: Type<'_>) -> Option<Vec<FormatField>> {
        let common = self.type_by_id(self.structure_id(COMMON.0)?)?;
        let common = self.named_members(common)?.into_iter();
        let common = common.map(|(name, member)| self.record_field(&format!("common_{name}"), member));
        let own = self.named_members(record)?.into_iter();
        let own = own.filter(|(name, _)| ![COMMON.1, REST].contains(name));
        common.chain(own.map(|(name, member)| self.record_field(name, member))).collect()
    }

    fn named_members(&self, structure: Type<'_>) -> Option<Vec<(&str, Member)>> {
        let members = (0..structure.count).map(|index| structure.member(index));
        members.map(|member| member.map(|(name, member)| (self.string(name), member))).collect()
    }

    /// A field of a record, as the `format` file would have it.
    fn record_field(&self, name: &str, member: Member) -> Option<FormatField> {
        let size = self.size_of(member.kind, 0)?;
        let location = |prefix: &str, relative| {
            let kind = FieldKind::Location { element: UNTOLD.to_owned(), relative };
            name.strip_prefix(prefix).map(|name| (name, kind, false))
        };
        let dynamic = location("__data_loc_", false).or_else(|| location("__rel_loc_", true));
        let (name, kind, signed) = dynamic.unwrap_or_else(|| {
            let (kind, signed) = self.field_kind(member.kind, size);
            (name, kind, signed)
        });
        Some(FormatField { name: name.to_owned(), kind, offset: member.offset / 8, size, signed })
    }

    fn field_kind(&self, id: u32, size: u32) -> (FieldKind, bool) {
        let behind = self.skip_qualifiers(id).and_then(|id| self.type_by_id(id));
        let kind = match (self.type_kind(id), behind) {
            (TypeKind::Int { signed, .. }, _) => return (FieldKind::Integer, signed),
            (TypeKind::Array { .. }, Some(array)) => {
                let element = read_u32(array.trailing, 0).unwrap_or_default();
                FieldKind::Array { element: self.declared_name(element) }
            }
            // With a name of its own (`initcall_t`, `kuid_t`), formats can't tell it from an integer.
            _ if self.is_typedef(id) && matches!(size, 1 | 2 | 4 | 8) => FieldKind::Integer,
            (TypeKind::Pointer { .. }, Some(pointer)) => {
                FieldKind::Pointer { target: self.declared_name(pointer.size_or_type) }
            }
            _ => FieldKind::Other(self.declared_name(id)),
        };
        (kind, false)
    }

    fn is_typedef(&self, id: u32) -> bool {
        self.type_by_id(id).is_some_and(|found| found.kind == Kind::Typedef)
    }

    /// The name of a type as the kernel's source has it: `u8`, where [`Btf::type_name`] says `unsigned char`.
    fn declared_name(&self, id: u32) -> String {
        let mut next = id;
        for _ in 0..MAX_DEPTH {
            let Some(found) = self.type_by_id(next) else { break };
            match found.kind {
                Kind::Typedef => return self.string(found.name).to_owned(),
                Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => next = found.size_or_type,
                _ => break,
            }
        }
        self.type_name(id, 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::Tracefs;
    use crate::builder::Builder;

    /// 1 int, 2 char, 3 u8, 4 an array of those, 5 struct trace_entry, 6 char *, 7 a record, 8 and 9 records that differ.
    fn kernel() -> Btf {
        let mut builder = Builder::default();
        builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
        builder.add("char", 1, 0, 1, &[8]);
        builder.add("u8", 8, 0, 2, &[]);
        builder.add("", 3, 0, 0, &[3, 1, 16]);
        let [kind, ent, rest] = ["type", "ent", "__data"].map(|name| builder.name(name));
        builder.add("trace_entry", 4, 2, 8, &[kind, 1, 0, kind, 1, 32]);
        builder.add("", 2, 0, 2, &[]);
        let [file, near, name, key] =
            ["__data_loc_file", "__rel_loc_near", "name", "key"].map(|name| builder.name(name));
        let fields =
            [ent, 5, 0, kind, 1, 64, file, 1, 96, near, 1, 128, name, 6, 192, key, 4, 256, rest, 4, 384];
        builder.add("trace_event_raw_opened", 4, 7, 48, &fields);
        builder.add("trace_event_raw_twice", 4, 1, 8, &[ent, 5, 0]);
        builder.add("trace_event_raw_twice", 4, 2, 12, &[ent, 5, 0, kind, 1, 64]);
        Btf::parse(builder.build(24)).unwrap()
    }

    #[test]
    fn records_are_told_by_their_structures() {
        let fields = kernel().record("s", "opened").unwrap();
        let told: Vec<_> =
            fields.iter().map(|it| (it.name.as_str(), it.offset, it.size, it.signed)).collect();
        let expected = [
            ("common_type", 0, 4, true),
            ("common_type", 4, 4, true),
            ("type", 8, 4, true),
            ("file", 12, 4, false),
            ("near", 16, 4, false),
            ("name", 24, 8, false),
            ("key", 32, 16, false),
        ];
        assert_eq!(told, expected);
        let location = |relative| FieldKind::Location { element: UNTOLD.into(), relative };
        assert_eq!([&fields[3].kind, &fields[4].kind], [&location(false), &location(true)]);
        assert_eq!(fields[5].kind, FieldKind::Pointer { target: "char".into() });
        assert_eq!(fields[6].kind, FieldKind::Array { element: "u8".into() });
    }

    #[test]
    fn what_is_not_there_or_not_clear_is_not_told() {
        for event in ["s/closed", "s/open", "s/twice", "s/", "syscalls/opened"] {
            let (subsystem, name) = event.split_once('/').unwrap();
            assert_eq!(kernel().record(subsystem, name), None, "{event}");
        }
    }

    #[test]
    fn the_running_kernel_says_the_same_of_its_events() {
        let (Ok(btf), Ok(tracefs)) = (Btf::load(crate::KERNEL_BTF.as_ref()), Tracefs::open()) else {
            eprintln!("skipped: this kernel shows no BTF or no trace events");
            return;
        };
        for event in tracefs.names() {
            let (subsystem, name) = event.split_once('/').unwrap();
            let (Some(told), Ok(Some(shown))) =
                (btf.record(subsystem, name), tracefs.format(subsystem, name))
            else {
                continue;
            };
            let [told, shown] =
                [&told, &shown.fields].map(|fields| fields.iter().map(comparable).collect::<Vec<_>>());
            assert_eq!(told, shown, "{event}");
        }
    }

    /// A field without what the types can't tell, without the sign of what is no integer, and with one name for each integer:
    /// `unsigned long` is `long unsigned int` as well.
    fn comparable(field: &FormatField) -> FormatField {
        let kind = match field.kind.clone() {
            FieldKind::Location { relative, .. } => FieldKind::Location { element: UNTOLD.into(), relative },
            FieldKind::Array { element } => {
                let mut words: Vec<_> = element.split(' ').filter(|word| *word != "int").collect();
                words.sort_unstable();
                FieldKind::Array { element: words.join(" ") }
            }
            other => other,
        };
        FormatField { signed: field.signed && kind == FieldKind::Integer, kind, ..field.clone() }
    }
}
