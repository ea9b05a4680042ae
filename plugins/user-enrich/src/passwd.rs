//! Files of users: <https://man7.org/linux/man-pages/man5/passwd.5.html>.

use std::collections::HashMap;

/// The most users that are remembered: more than a file of 1 MiB has.
const MAX_USERS: usize = 65_536;

/// The names by number. Of several names of one number the first counts, as in `getpwuid(3)`; lines that are none are
/// left out.
pub(crate) fn names(content: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in content.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let mut fields = line.split(':');
        let (name, number) = (fields.next().unwrap_or_default(), fields.nth(1));
        if let Some(number) = number.and_then(|number| number.parse().ok())
            && !name.is_empty()
            && names.len() < MAX_USERS
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn lines_that_are_none_are_left_out() {
        let content =
            b"root:x:0:0:root:/root:/bin/bash\n# comment\ntoor:x:0:0\n+::::::\n\xff:x:7:\n:x:8:\nx:y\n\
            canary:x:1000:1000::/home/canary:\nlast:x:4294967294";
        let names = names(content);
        let mut found: Vec<_> = names.iter().map(|(number, name)| (*number, name.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [(0, "root"), (1000, "canary"), (4_294_967_294, "last")]);
    }
}
