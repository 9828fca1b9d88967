//! What must hold for decoding and encoding.

/// Checks that decoding is total, and that decode, encode, decode gives the same message.
#[macro_export]
macro_rules! check_decode {
    ($protocol:ident, $octets:expr) => {{
        let octets: &[u8] = $octets;
        match rserpool::wire::$protocol::Message::decode(octets) {
            Ok(decoded) => {
                let length = decoded.message.encoded_len();
                let mut buffer = vec![0; length];
                // Padding may be added that was missing, but what fits 16 bits fits again.
                assert_eq!(decoded.message.encode(&mut buffer), Ok(length));
                let again = rserpool::wire::$protocol::Message::decode(&buffer);
                assert_eq!(again.map(|again| again.message), Ok(decoded.message));
                if let Some(short) = length.checked_sub(1) {
                    assert!(decoded.message.encode(&mut buffer[..short]).is_err());
                }
            }
            Err(error) => {
                assert!(error.offset <= octets.len());
                let _ = error.cause(octets);
                let _ = error.to_string();
            }
        }
    }};
}

/// Checks that encode, decode gives the same message.
#[macro_export]
macro_rules! check_encode {
    ($protocol:ident, $message:expr) => {{
        $message.with(|message| {
            let length = message.encoded_len();
            let mut buffer = vec![0; length];
            match message.encode(&mut buffer) {
                Ok(written) => {
                    assert_eq!(written, length);
                    let decoded = rserpool::wire::$protocol::Message::decode(&buffer);
                    assert_eq!(decoded.map(|decoded| decoded.message), Ok(*message));
                }
                Err(error) => assert!(matches!(error, rserpool::wire::EncodeError::TooLong { .. }), "{error}"),
            }
        });
    }};
}
