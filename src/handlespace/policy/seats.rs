//! The members of a pool as their policy sees them: a seat each, with room for two numbers.

use super::Member;

/// A member's seat. The member's element stands in it as well, as whoever chooses a member wants that next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    #[cfg_attr(not(feature = "alloc"), expect(dead_code, reason = "registrars want it"))]
    pub(crate) element: u32,
    pub(super) state: [u32; 2],
}

impl Seat {
    /// The seat of a member that has just come.
    pub(crate) const fn new(element: u32) -> Self {
        Self { element, state: [0; 2] }
    }
}

/// The seats of a pool's members, by their numbers.
#[derive(Debug)]
pub struct Seats<'a>(pub(crate) &'a mut [Seat]);

impl Seats<'_> {
    /// What a policy has noted for a member; zeros for one that has just come.
    #[must_use]
    pub fn get(&self, member: Member) -> [u32; 2] {
        self.0.get(member.place()).map_or([0; 2], |seat| seat.state)
    }

    /// Notes something for a member, until it leaves.
    pub fn set(&mut self, member: Member, state: [u32; 2]) {
        if let Some(seat) = self.0.get_mut(member.place()) {
            seat.state = state;
        }
    }

    /// The first number, where heaps note a member's place.
    pub(super) fn place(&self, member: Member) -> usize {
        let [place, _] = self.get(member);
        place as usize
    }

    pub(super) fn set_place(&mut self, member: Member, to: usize) {
        if let Some(Seat { state: [place, _], .. }) = self.0.get_mut(member.place()) {
            *place = to as u32;
        }
    }
}
