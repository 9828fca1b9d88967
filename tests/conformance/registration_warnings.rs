//! What an element makes of the answer to its registration (RFC 5352 §2.2.3, §2.2.14, §3.1).

use rserpool::pool_element::ElementEvent;
use rserpool::wire::asap::{Body, RegistrationResponse};
use rserpool::wire::{CauseCode, ErrorCause, Sequence, ServerIdentifier};

use crate::scripted_element::{ScriptedElement, reference};

#[test]
fn a_warning_in_an_accepted_registration_is_told_to_the_application() {
    // RFC 5352 §2.2.3: some of the values may have been changed.
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    let causes = [ErrorCause::new(CauseCode::INVALID_VALUES), ErrorCause::new(CauseCode::UNSPECIFIED_ERROR)];
    let error = Some(Sequence::new(&causes));
    scripted
        .hears(home, Body::RegistrationResponse(RegistrationResponse { element: reference(), rejected: false, error }));
    assert!(scripted.element.is_registered());
    assert_eq!(
        scripted.events.list(),
        [
            ElementEvent::Registered { home: ServerIdentifier::NONE },
            ElementEvent::RegistrationWarning { cause: CauseCode::INVALID_VALUES },
        ]
    );
}
