//! The chips' network stack among others: what it asks of DHCP and of DNS, and how it loses a lease.
//! Frames, DHCP and DNS are read and written by crates that share nothing with it.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::time::Duration as Real;

use dhcproto::v4::{self, DhcpOption, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use e2e::scenario;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel::{self as card, RxRunner, TxRunner};
use embassy_time::{Duration, Instant};
use embedded_nal_async::{AddrType, Dns};
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, LinkSlice, NetSlice, PacketBuilder, SlicedPacket,
    TransportSlice,
};
use hickory_proto::op::{Message, MessageType as Kind, OpCode};
use hickory_proto::rr::{Name, RData, Record, rdata::A};
use sockets::Sockets;
use tokio::time::timeout;

const MTU: usize = 1514;
const BOARD_MAC: [u8; 6] = [0x24, 0x0a, 0xc4, 0x1a, 0x2b, 0x05];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const BOARD: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
/// Gives addresses, and knows the names of the world.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
/// Answers for itself.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 20);
const WORLD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
/// All who speak mDNS (RFC 6762).
const MDNS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const MDNS_MAC: [u8; 6] = [1, 0, 0x5e, 0, 0, 251];
const LEASE: Duration = Duration::from_secs(60);

/// How the router treats whoever has an address.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Kind,
    Silent,
    /// Refuses what it gave (DHCPNAK).
    Refusing,
}

/// Everybody else on the network.
struct Others {
    manner: Cell<Manner>,
    /// What the board called itself, each time.
    host_names: RefCell<Vec<Option<String>>>,
    /// Who was asked for which name.
    asked: RefCell<Vec<(Ipv4Addr, String)>>,
}

impl Others {
    /// Answers frames for ever.
    async fn answer(&self, mut to: RxRunner<'_, MTU>, mut from: TxRunner<'_, MTU>) -> ! {
        loop {
            let reply = self.reply(from.tx_buf().await);
            from.tx_done();
            if let Some(reply) = reply {
                to.rx_buf().await[..reply.len()].copy_from_slice(&reply);
                to.rx_done(reply.len());
            }
        }
    }

    fn reply(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
        let Some(LinkSlice::Ethernet2(link)) = &packet.link else {
            panic!("no Ethernet")
        };
        assert_eq!(link.source(), BOARD_MAC);
        match packet.net? {
            NetSlice::Arp(arp) => {
                let asked = arp.to_packet().try_eth_ipv4().ok()?;
                let known = [ROUTER, SERVER].contains(&asked.target_ipv4_addr());
                (asked.operation == ArpOperation::REQUEST && known).then(|| here(&asked))
            }
            NetSlice::Ipv4(ip) => {
                let TransportSlice::Udp(udp) = packet.transport? else {
                    return None;
                };
                let (to, port) = (ip.header().destination_addr(), udp.source_port());
                match udp.destination_port() {
                    67 => {
                        let reply = self.lease(udp.payload())?;
                        // The board has no address yet.
                        Some(datagram(ROUTER, 67, Ipv4Addr::BROADCAST, 68, &reply))
                    }
                    53 => Some(datagram(
                        to,
                        53,
                        BOARD,
                        port,
                        &self.name(to, udp.payload())?,
                    )),
                    5353 => {
                        assert_eq!((to, link.destination()), (MDNS, MDNS_MAC));
                        // To the one who asked, for it asked from a port of its own (section 6.7).
                        assert_ne!(port, 5353);
                        let reply = self.name(to, udp.payload())?;
                        Some(datagram(SERVER, 5353, BOARD, port, &reply))
                    }
                    _ => None,
                }
            }
            NetSlice::Ipv6(_) => panic!("the stack has no IPv6"),
        }
    }

    fn lease(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request = v4::Message::decode(&mut Decoder::new(request)).expect("DHCP");
        assert_eq!(request.chaddr(), BOARD_MAC);
        self.host_names
            .borrow_mut()
            .push(match request.opts().get(OptionCode::Hostname) {
                Some(DhcpOption::Hostname(name)) => Some(name.clone()),
                _ => None,
            });
        let kind = match (request.opts().msg_type()?, self.manner.get()) {
            (_, Manner::Silent) => return None,
            (MessageType::Request, Manner::Refusing) => MessageType::Nak,
            (MessageType::Discover, _) => MessageType::Offer,
            (MessageType::Request, Manner::Kind) => MessageType::Ack,
            _ => return None,
        };
        let mut reply = v4::Message::default();
        reply
            .set_opcode(v4::Opcode::BootReply)
            .set_xid(request.xid())
            .set_chaddr(request.chaddr())
            .set_yiaddr(BOARD);
        let options = reply.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(ROUTER));
        if kind != MessageType::Nak {
            options.insert(DhcpOption::AddressLeaseTime(LEASE.as_secs() as u32));
            options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
            options.insert(DhcpOption::Router(vec![ROUTER]));
            options.insert(DhcpOption::DomainNameServer(vec![ROUTER]));
        }
        Some(reply.to_vec().expect("DHCP"))
    }

    fn name(&self, asked: Ipv4Addr, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).expect("DNS");
        let [query] = &question.queries[..] else {
            panic!("one question at a time")
        };
        let name = query.name().to_ascii();
        self.asked.borrow_mut().push((asked, name.clone()));
        let address = match (asked, &*name) {
            (MDNS, "thingsboard.local.") => SERVER,
            (ROUTER, "broker.example.") => WORLD,
            // Who speaks mDNS answers for himself, or is silent.
            _ => return None,
        };
        let mut reply = Message::new(question.metadata.id, Kind::Response, OpCode::Query);
        reply.metadata.authoritative = true;
        reply.add_query(query.clone());
        let name: Name = query.name().clone();
        reply.add_answer(Record::from_rdata(name, 120, RData::A(A(address))));
        Some(reply.to_vec().expect("DNS"))
    }
}

/// That an address is here.
fn here(asked: &ArpEthIpv4Packet) -> Vec<u8> {
    let mut frame = Vec::new();
    let answer = ArpPacket::from(ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: PEER_MAC,
        sender_ipv4: asked.target_ipv4,
        target_mac: asked.sender_mac,
        target_ipv4: asked.sender_ipv4,
    });
    let packet = PacketBuilder::ethernet2(PEER_MAC, BOARD_MAC).arp(answer);
    packet.write(&mut frame).expect("a frame");
    frame
}

fn datagram(from: Ipv4Addr, source: u16, to: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, BOARD_MAC)
        .ipv4(from.octets(), to.octets(), 64)
        .udp(source, port)
        .write(&mut frame, payload)
        .expect("a frame");
    frame
}

/// The stack is made once in a process, so this is one test.
#[test]
fn names_and_leases_on_a_network_of_others() {
    scenario(async {
        let state = Box::leak(Box::new(card::State::<MTU, 4, 4>::new()));
        let (runner, device) = card::new(state, HardwareAddress::Ethernet(BOARD_MAC));
        let (link, to, from) = runner.split();
        let (stack, mut runner) = sockets::stack(device, 0x5eed);
        let sockets = Sockets::new(stack);
        let others = Others {
            manner: Cell::new(Manner::Kind),
            host_names: RefCell::default(),
            asked: RefCell::default(),
        };
        let story = async {
            link.set_link_state(LinkState::Up);
            assert_eq!(sockets::address(stack).await, Some(BOARD));
            // The end of its address, as its Bluetooth name has it.
            let called = others.host_names.take();
            let expected = Some("esptb-1a2b05".to_owned());
            assert!(
                called.len() >= 2 && called.iter().all(|name| *name == expected),
                "{called:?}"
            );

            // The default broker, by mDNS and nothing else; any other by the router's DNS.
            let dns = device::platform::Network::stack(&sockets);
            for (name, address, who) in [
                ("thingsboard.local", SERVER, MDNS),
                ("broker.example", WORLD, ROUTER),
            ] {
                let found = dns.get_host_by_name(name, AddrType::IPv4);
                let found = timeout(Real::from_secs(20), found)
                    .await
                    .expect("an answer");
                assert_eq!(found.expect("an address"), address);
                let asked = others.asked.take();
                let expected = (who, format!("{name}."));
                assert!(asked.iter().all(|asked| *asked == expected), "{asked:?}");
            }

            // A router that is switched off, and one that gave the address to somebody else.
            for (manner, from_s, to_s) in [(Manner::Silent, 55, 75), (Manner::Refusing, 25, 50)] {
                let leased = Instant::now();
                others.manner.set(manner);
                sockets::lost(stack).await;
                let lasted_s = leased.elapsed().as_secs();
                assert!((from_s..=to_s).contains(&lasted_s), "{lasted_s}");
                assert!(stack.is_link_up() && stack.config_v4().is_none());
                others.manner.set(Manner::Kind);
                assert_eq!(sockets::address(stack).await, Some(BOARD));
            }
        };
        tokio::select! {
            never = runner.run() => never,
            never = others.answer(to, from) => never,
            () = story => {}
        }
    });
}
