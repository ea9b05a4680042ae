//! Wasm components that no pipeline may accept, in the binary format of
//! <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>.

/// Magic, version 13, layer 1.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component that imports and exports nothing, and so fits no world of serin's.
pub(crate) fn of_no_world() -> Vec<u8> {
    PREAMBLE.to_vec()
}

/// A component that asks for an (empty) instance of this name.
pub(crate) fn that_imports(interface: &str) -> Vec<u8> {
    let mut import = vec![1, 0, length(interface)];
    import.extend_from_slice(interface.as_bytes());
    import.extend_from_slice(&[5, 0]); // an instance of type 0
    let mut component = PREAMBLE.to_vec();
    component.extend_from_slice(&[7, 3, 1, 0x42, 0]); // one type: an instance that declares nothing
    component.extend_from_slice(&[10, length_of(&import)]);
    component.extend_from_slice(&import);
    component
}

/// Lengths below 128 are a single byte of LEB128.
fn length(text: &str) -> u8 {
    length_of(text.as_bytes())
}

fn length_of(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).ok().filter(|length| *length < 128).unwrap_or(127)
}
