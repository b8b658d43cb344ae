//! Who may come in, and what a refused client is told.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::result_code::ConnectReasonCode;

use super::packets::Connect;
use crate::event::{Event, Refusal};
use crate::firmware;
use crate::hub::{Hub, now_ms};
use crate::identity::{Certificates, ClientChain};
use crate::store::{Admission, StoreError};

/// Finds or makes the device, or says why not, with ThingsBoard's reason codes
/// (`MqttTransportHandler.onValidateDeviceResponse`, thingsboard/thingsboard, commit
/// dfe65d5abc3aa959aaa853952d74943fbd6867bd).
pub(super) async fn admit(
    hub: &Arc<Hub>,
    certificates: Certificates,
    connect: &Connect,
) -> Result<Result<Admission, (Refusal, ConnectReasonCode)>, StoreError> {
    if let Some(chain) = ClientChain::read(certificates) {
        // The device is made, or its certificate replaced, during the handshake, and the dates are
        // looked at afterwards: one whose certificate has expired exists, and is refused.
        let dates = chain.check_dates();
        let profiles = hub.profiles();
        let admitted = hub
            .store
            .submit(move |db| {
                let admitted = db.admit_chain(&chain, &profiles, now_ms())?;
                let other = match &admitted {
                    Ok(admission) => db.refuses_mqtt(admission, &profiles)?,
                    Err(_) => None,
                };
                Ok((admitted, other))
            })
            .await?;
        let (admitted, other) = admitted;
        if let Ok(admission) = &admitted {
            tell_changes(hub, admission);
            if admission.created {
                // It is deleted again already, or the database failed, which whatever comes next finds, too.
                let _ = firmware::follow(hub, &admission.name, admission.device).await;
            }
        }
        if let Some(refusal) = other {
            // Seen on a ThingsBoard 4.2.1 with a profile of transport type COAP.
            return Ok(Err((refusal, ConnectReasonCode::ServerUnavailable)));
        }
        let admitted = dates.and(admitted);
        return Ok(admitted.map_err(|refusal| (refusal, ConnectReasonCode::NotAuthorized)));
    }
    let refusal = match connect.user_name.clone() {
        Some(token) => match hub.store.submit(move |db| db.admit_token(&token)).await? {
            Ok(admission) => return Ok(Ok(admission)),
            Err(refusal) => refusal,
        },
        None => Refusal::NoCredentials,
    };
    let reason = if connect.user_name.is_some() || connect.has_password {
        ConnectReasonCode::BadUserNameOrPassword
    } else if !connect.client_id.trim().is_empty() {
        ConnectReasonCode::ClientIdentifierNotValid
    } else {
        ConnectReasonCode::NotAuthorized
    };
    Ok(Err((refusal, reason)))
}

fn tell_changes(hub: &Hub, admission: &Admission) {
    let device = admission.name.clone();
    if admission.created {
        hub.emit(Event::Created { device });
    } else if admission.replaced {
        hub.emit(Event::CertificateReplaced { device });
    }
}
