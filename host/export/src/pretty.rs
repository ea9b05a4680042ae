//! JSON over several lines, for the eye.

/// Appends JSON without white space, indented by two spaces a level.
pub(crate) fn write(json: &[u8], out: &mut Vec<u8>) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut last = 0;
    for &byte in json {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            last = byte;
            continue;
        }
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !matches!(last, b'{' | b'[') {
                    new_line(depth, out);
                }
            }
            _ if matches!(last, b'{' | b'[') => new_line(depth, out),
            _ => {}
        }
        if matches!(byte, b'{' | b'[') && matches!(last, b'{' | b'[') {
            new_line(depth - 1, out);
        }
        out.push(byte);
        match byte {
            b',' => new_line(depth, out),
            b':' => out.push(b' '),
            b'"' => in_string = true,
            _ => {}
        }
        last = byte;
    }
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', depth * 2));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    #[test]
    fn indents_as_serde_json_does() {
        for json in [
            r#"{}"#,
            r#"{"a":[]}"#,
            r#"{"a":{"b":"{\\\"[,:","c":[1,[2,{}],{"d":null}]},"e":"\\"}"#,
            r#"[[[]],[{}],{"a":true}]"#,
        ] {
            let mut out = Vec::new();
            super::write(json.as_bytes(), &mut out);
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
