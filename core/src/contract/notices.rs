//! Contract of [`Notices`]. What is heard of a carrier that goes away is for the harness: it can take it away.

use crate::ports::notices::Notices;

/// Everybody who listens hears it, the one who told it included, however late he waits.
pub async fn who_listens_hears(notices: &dyn Notices, other: &dyn Notices) {
    let mut heard = [
        notices.subscribe().await.expect("the carrier is there"),
        other.subscribe().await.expect("the carrier is there"),
    ];
    for by in [notices, other] {
        by.publish().await.expect("the carrier is there");
        for subscription in &mut heard {
            subscription.next().await.expect("the carrier is there");
        }
    }
}

/// Each of those that are waited for one by one is heard.
pub async fn none_is_left_out(notices: &dyn Notices, _: &dyn Notices) {
    let mut heard = notices.subscribe().await.expect("the carrier is there");
    for _ in 0..100 {
        notices.publish().await.expect("the carrier is there");
        heard.next().await.expect("the carrier is there");
    }
}

/// Without a listener it is told to nobody, and that is no failure.
pub async fn nobody_need_listen(notices: &dyn Notices, other: &dyn Notices) {
    drop(other.subscribe().await.expect("the carrier is there"));
    notices.publish().await.expect("nobody need listen");
}

/// One test per case; `$setup` is an async function that gives two processes' ends of one carrier, both boxed.
#[macro_export]
macro_rules! notices_contract {
    ($name:ident, $setup:path) => {
        $crate::notices_contract!(@cases $name, $setup, who_listens_hears, none_is_left_out, nobody_need_listen);
    };
    (@cases $name:ident, $setup:path, $($case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let (notices, other) = $setup().await;
                $crate::contract::notices::$case(notices.as_ref(), other.as_ref()).await;
            })+
        }
    };
}
