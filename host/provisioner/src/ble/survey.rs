//! What a device's provisioning service looks like to a client.

use protocomm::endpoint::Endpoint;
use protocomm::gatt;

/// The provisioning service, as discovery showed it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Its UUID.
    pub service: u128,
    /// What is in it.
    pub characteristics: Vec<SurveyedCharacteristic>,
    /// The ATT MTU of the link, in bytes.
    pub mtu: usize,
}

/// One characteristic.
#[derive(Clone, Debug)]
pub struct SurveyedCharacteristic {
    /// Its UUID; 0 if that has 16 bits only.
    pub uuid: u128,
    /// The handle of its value.
    pub handle: u16,
    /// Whether it can be read.
    pub read: bool,
    /// Whether it can be written, with response.
    pub write: bool,
    /// What its user description says.
    pub description: Option<String>,
}

impl Survey {
    /// The handle of an endpoint.
    #[must_use]
    pub fn handle(&self, endpoint: &str) -> Option<u16> {
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
