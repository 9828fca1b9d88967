//! The orderly end of a registrar: its elements are with another one before it is gone.

use std::time::Duration;

use rserpool::pool_user::UserEvent;
use rserpool::registrar::RegistrarEvent;
use rserpool::wire::PoolHandle;

use crate::events::event;
use crate::network::{Network, NodeId, cluster};

const SECOND: Duration = Duration::from_secs(1);

fn shut_down(net: &mut Network, registrar: NodeId) {
    net.with_registrar(registrar, |registrar, now| registrar.shut_down(now));
}

#[test]
fn a_registrar_that_ends_in_order_gives_its_elements_to_another() {
    let (mut net, registrars) = cluster(3);
    for number in 1..=20 {
        net.element("pool", number, &[registrars[0], registrars[1]]);
    }
    net.run(SECOND);
    let homes = |net: &Network, at: NodeId| net.table(at).iter().filter(|(_, home)| *home == 0x100).count();
    let before = homes(&net, registrars[0]);
    assert!(before > 0);
    shut_down(&mut net, registrars[0]);
    net.wait(SECOND, |net| net.events(registrars[0]).has(event!(RegistrarEvent::ShutDown)));
    net.run(SECOND);
    // All are there, at home elsewhere, and nobody had to be taken over or was ever missed.
    for registrar in &registrars[1..] {
        assert_eq!(net.table(*registrar).len(), 20);
        assert_eq!(homes(&net, *registrar), 0);
        let missed = event!(
            RegistrarEvent::Removed { .. } | RegistrarEvent::TakenOver { .. } | RegistrarEvent::TakenOverByPeer { .. }
        );
        assert!(!net.events(*registrar).has(missed));
    }
    net.run(Duration::from_secs(120));
    assert_eq!(net.peers(registrars[1]), [0x102]);
}

#[test]
fn elements_that_know_no_other_registrar_are_taken_over() {
    let (mut net, registrars) = cluster(2);
    for number in 1..=5 {
        net.element("pool", number, &[registrars[0]]);
    }
    net.run(SECOND);
    shut_down(&mut net, registrars[0]);
    net.run(4 * SECOND);
    assert!(!net.events(registrars[0]).has(event!(RegistrarEvent::ShutDown)), "it waits for them");
    net.run(2 * SECOND);
    assert!(net.events(registrars[0]).has(event!(RegistrarEvent::ShutDown)));
    net.kill(registrars[0]);
    net.run(Duration::from_secs(120));
    assert_eq!(net.table(registrars[1]), [1, 2, 3, 4, 5].map(|number| (number, 0x101)));
}

#[test]
fn a_registrar_alone_or_without_elements_ends_at_once() {
    let (mut net, registrars) = cluster(2);
    shut_down(&mut net, registrars[1]);
    assert!(net.events(registrars[1]).has(event!(RegistrarEvent::ShutDown)));
    net.element("pool", 1, &[registrars[0]]);
    net.kill(registrars[1]);
    net.run(Duration::from_secs(200));
    shut_down(&mut net, registrars[0]);
    assert!(net.events(registrars[0]).has(event!(RegistrarEvent::ShutDown)));
    shut_down(&mut net, registrars[0]);
    assert_eq!(net.events(registrars[0]).count(event!(RegistrarEvent::ShutDown)), 1);
}

#[test]
fn a_users_session_does_not_notice_that_its_registrar_ends() {
    let (mut net, registrars) = cluster(2);
    net.element("pool", 1, &registrars);
    net.run(SECOND);
    let user = net.user(&registrars);
    net.with_user(user, |user, now| user.open_session(now, PoolHandle::from("pool")).unwrap());
    net.run(SECOND);
    shut_down(&mut net, registrars[0]);
    net.run(SECOND);
    net.kill(registrars[0]);
    net.run(Duration::from_secs(100));
    assert!(!net.events(user).has(event!(UserEvent::Failover { .. })));
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    net.run(SECOND);
    assert_eq!(net.events(user).count(event!(UserEvent::Resolved(_))), 2);
}
