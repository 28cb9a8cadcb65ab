//! What one must know on every page: no answer from the Admin API, or a gateway that takes no changes.

use leptos::prelude::*;

use crate::api::base;
use crate::state::gateway;

#[component]
pub fn Banner() -> impl IntoView {
    let gateway = gateway();
    let gone = move || {
        gateway.unreachable.get().then(|| {
            view! {
                <div class="banner bad">
                    <p>
                        {t!("The Admin API at {address} cannot be reached. What you typed is kept. Check that the gateway is running.", address = base())}
                    </p>
                    {super::try_again(gateway)}
                </div>
            }
        })
    };
    let read_only = move || {
        gateway.is_read_only().then(|| {
            view! {
                <div class="banner warn">
                    <p>
                        {t!("Read-only: this gateway runs without a database. Its configuration comes from a declarative file or a control plane and is changed there.")}
                    </p>
                </div>
            }
        })
    };
    view! {
        <div role="alert">{gone}</div>
        <div role="status">{read_only}</div>
    }
}
