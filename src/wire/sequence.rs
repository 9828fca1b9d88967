//! Lists in messages, such as the elements of a handle resolution response: either a region of a received message
//! or a slice of values that is to be sent, the same to whoever reads them.

use core::fmt;

use super::encode::Sink;
use super::tlv::{Parameters, RawParameter};

/// What a [`Sequence`] is made of: a parameter.
pub trait Item<'a>: Copy + PartialEq + fmt::Debug {
    /// The value in a parameter of such a type. Parameters in a received message have been checked before, so that there
    /// is one.
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self>;

    /// Whether parameters of a type hold such values.
    fn is_type(parameter_type: u16) -> bool;
}

/// Writing is apart from [`Item`], to keep the sink private.
pub(crate) trait WriteItem {
    fn write(&self, sink: &mut impl Sink);
}

/// A list of parameters of one type.
#[derive(Clone, Copy)]
pub struct Sequence<'a, T> {
    source: Source<'a, T>,
}

#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// Part of a message, checked when it was decoded. Parameters of other types stand in between.
    Received(&'a [u8]),
    Values(&'a [T]),
}

impl<'a, T: Item<'a>> Sequence<'a, T> {
    /// A sequence of these values.
    #[must_use]
    pub const fn new(values: &'a [T]) -> Self {
        Self { source: Source::Values(values) }
    }

    /// No values.
    #[must_use]
    pub const fn empty() -> Self {
        Self { source: Source::Received(&[]) }
    }

    /// The values in a region that has been checked.
    pub(crate) fn received(region: &'a [u8]) -> Self {
        Self { source: Source::Received(region) }
    }

    /// The values, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'a, T> {
        match self.source {
            Source::Received(region) => Iter { parameters: Parameters::new(region, 0), values: [].iter() },
            Source::Values(values) => Iter { parameters: Parameters::new(&[], 0), values: values.iter() },
        }
    }

    /// The first value.
    #[must_use]
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }
}

impl<'a, T: Item<'a> + WriteItem> WriteItem for Sequence<'a, T> {
    /// What was received goes on as it came.
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        match self.source {
            Source::Values(values) => {
                for value in values {
                    value.write(sink);
                }
            }
            Source::Received(region) => {
                let mut parameters = Parameters::new(region, 0);
                while let Ok(Some(parameter)) = parameters.next() {
                    if T::is_type(parameter.parameter_type) {
                        sink.align();
                        sink.put(parameter.octets);
                    }
                }
            }
        }
    }
}

/// Iterates over the values of a [`Sequence`].
#[derive(Clone)]
pub struct Iter<'a, T> {
    parameters: Parameters<'a>,
    values: core::slice::Iter<'a, T>,
}

impl<'a, T: Item<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Some(value) = self.values.next() {
            return Some(*value);
        }
        while let Ok(Some(parameter)) = self.parameters.next() {
            if T::is_type(parameter.parameter_type)
                && let Some(value) = T::from_parameter(&parameter)
            {
                return Some(value);
            }
        }
        None
    }
}

impl<'a, T: Item<'a>> IntoIterator for &Sequence<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item<'a>> Default for Sequence<'a, T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<'a, T: Item<'a>> PartialEq for Sequence<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Item<'a>> Eq for Sequence<'a, T> {}

impl<'a, T: Item<'a>> fmt::Debug for Sequence<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
