//! The cases, by what they look at.

mod bluetooth;
mod robustness;
mod session;
mod version;
mod wifi;

use super::Case;

/// In the order in which they run: what changes the device comes last.
pub(super) const ALL: &[&[Case]] = &[
    bluetooth::CASES,
    version::CASES,
    session::CASES,
    robustness::CASES,
    wifi::CASES,
];

// Files of ESP-IDF that the cases refer to.
const NIMBLE: &str = "components/protocomm/src/transports/protocomm_nimble.c";
const HTTPD: &str = "components/protocomm/src/transports/protocomm_httpd.c";
const PROTOCOMM: &str = "components/protocomm/src/common/protocomm.c";
const SECURITY: &str = "components/protocomm/src/security/security1.c, security2.c";
const SECURITY_2: &str = "components/protocomm/src/security/security2.c";
const SCHEME_BLE: &str = "components/wifi_provisioning/src/scheme_ble.c";
const MANAGER: &str = "components/wifi_provisioning/src/manager.c";
const CONFIG: &str = "components/wifi_provisioning/src/wifi_config.c";
const SCAN: &str = "components/wifi_provisioning/src/wifi_scan.c";
const CONTROL: &str = "components/wifi_provisioning/src/wifi_ctrl.c";

#[cfg(test)]
mod tests {
    #[test]
    fn cases_have_names_of_their_own_and_say_what_they_are_for() {
        let mut names = Vec::new();
        for case in super::super::cases() {
            assert!(case.name.contains('.'), "{}", case.name);
            assert!(!case.purpose.is_empty() && !case.wants.is_empty());
            assert!(case.source.contains(".c") || case.source.contains(' '));
            names.push(case.name);
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(all > 40, "{all}");
    }
}
