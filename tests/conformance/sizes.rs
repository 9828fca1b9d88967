//! How much memory the machines of elements and users take. They have all of it in themselves.

use rserpool::pool_element::PoolElement;
use rserpool::pool_user::PoolUser;

#[test]
fn elements_and_users_fit_into_small_devices() {
    let (element, user) = (size_of::<PoolElement>(), size_of::<PoolUser<4>>());
    println!("an element takes {element} octets, a user with four sessions {user}");
    assert!(element < 4 * 1024, "{element}");
    assert!(user < 16 * 1024, "{user}");
}
