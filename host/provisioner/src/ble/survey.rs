//! What a device's provisioning service looks like to a client.

use protocomm::endpoint::Endpoint;
use protocomm::gatt;

/// The provisioning service, as discovery showed it.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    /// Its UUID.
    pub(crate) service: u128,
    pub(crate) characteristics: Vec<SurveyedCharacteristic>,
    /// The ATT MTU of the link, in bytes.
    pub(crate) mtu: usize,
}

/// One characteristic.
#[derive(Clone, Debug)]
pub(crate) struct SurveyedCharacteristic {
    /// Its UUID; 0 if that has 16 bits only.
    pub(crate) uuid: u128,
    /// The handle of its value.
    pub(crate) handle: u16,
    pub(crate) read: bool,
    /// With response.
    pub(crate) write: bool,
    /// What its user description says.
    pub(crate) description: Option<String>,
}

impl Survey {
    /// The handle of an endpoint.
    pub(crate) fn handle(&self, endpoint: &str) -> Option<u16> {
        let mut all = self.characteristics.iter();
        let found = all.find(|c| c.endpoint(self.service) == Some(endpoint))?;
        Some(found.handle)
    }
}

impl SurveyedCharacteristic {
    /// The endpoint's name: from the user description, or, where a device has none, from the UUID.
    fn endpoint(&self, service: u128) -> Option<&str> {
        if let Some(name) = &self.description {
            return Some(name);
        }
        let endpoint = Endpoint::STANDARD
            .into_iter()
            .find(|e| gatt::characteristic_uuid(service, *e) == self.uuid)?;
        endpoint.name(&[])
    }
}
