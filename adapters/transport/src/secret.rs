//! What is made of an endpoint's secret: keys, and numbers that nobody else can guess.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// A key for one purpose, by which nothing can be said of the secret or of the keys for other purposes.
pub(crate) fn key(secret: &[u8; 16], purpose: &str) -> [u8; 16] {
    let mut key = [0; 16];
    for (number, half) in (0..).zip(key.chunks_exact_mut(8)) {
        let mut hasher = SipHasher24::new_with_key(secret);
        hasher.write(purpose.as_bytes());
        hasher.write_u8(number);
        half.copy_from_slice(&hasher.finish().to_be_bytes());
    }
    key
}

/// Seeds for the SCTP implementation, whose own generator can be predicted: one after the other, and none says anything of the others.
pub(crate) struct Seeds {
    key: [u8; 16],
    drawn: u64,
}

impl Seeds {
    pub(crate) fn new(secret: &[u8; 16]) -> Self {
        Self { key: key(secret, "seeds"), drawn: 0 }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u64(self.drawn);
        hasher.finish()
    }
}
