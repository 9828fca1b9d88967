//! Pool elements as `resolve` and `table` show them.

use rserpool::Profile;
use rserpool::wire::{PoolElement, PoolHandle};
use serde_json::json;

use crate::decode::json::{policy, transport};

/// How elements are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    pub(crate) json: bool,
    pub(crate) profile: Profile,
}

/// What is shown of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// What users are told: no home.
    ForUsers,
    /// Their pool and home registrar, too.
    WithHome,
}

impl Show {
    /// A line, or a JSON object, about an element.
    pub(crate) fn element(self, pool: PoolHandle<'_>, element: &PoolElement<'_>, shown: Shown) -> String {
        if self.json { self.object(pool, element, shown) } else { Self::line(pool, element, shown) }
    }

    fn object(self, pool: PoolHandle<'_>, element: &PoolElement<'_>, shown: Shown) -> String {
        let mut object = json!({
            "pool": pool.to_string(),
            "id": element.identifier.to_string(),
            "policy": policy(&element.policy),
            "transport": transport(&element.user_transport),
            "life_s": self.profile.life_from_wire(element.life).probable().map(|life| life.as_secs_f64()),
        });
        if let (Shown::WithHome, Some(fields)) = (shown, object.as_object_mut()) {
            fields.insert("home".into(), element.home.to_string().into());
        }
        object.to_string()
    }

    fn line(pool: PoolHandle<'_>, element: &PoolElement<'_>, shown: Shown) -> String {
        let addresses: Vec<_> = element.user_transport.addresses().map(|address| address.to_string()).collect();
        let port = element.user_transport.port().map(|port| port.to_string()).unwrap_or_default();
        let protocol = format!("{:?}", element.user_transport.protocol()).to_lowercase();
        let policy = element.policy.policy_type().name();
        let line = format!("{}  {protocol}  {}  {port}  {policy}", element.identifier, addresses.join(","));
        match shown {
            Shown::ForUsers => line,
            Shown::WithHome => format!("{pool}  {line}  {}", element.home),
        }
    }
}
