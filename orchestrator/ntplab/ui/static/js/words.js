// Every word of the page, in English and French. `t` gives one, `{name}` filled in.
const EN = {
  skip: "Skip to the content", language: "Language", theme: "Colors", themeAuto: "System colors",
  themeLight: "Light", themeDark: "Dark", storyTitle: "What happens now",
  ntpIs: "Clock correction (NTP) is", on: "ON", off: "OFF", mixed: "PARTLY ON", unknown: "–",
  ntpNoteOn: "all servers are corrected", ntpNoteOff: "nobody corrects the clocks",
  ntpNoteMixed: "{n} of {all} servers are corrected", clocksAre: "The servers' clocks are", apart: "apart",
  seatsTwice: "Seats sold twice", seatsNote: "two people hold a receipt for one seat",
  seatsNote0: "every seat has at most one holder", inPhase: "in phase {phase}",
  sayOffApartTwice: "NTP is off, the clocks are {apart} apart, and {n} seats are held by two people each. Click a red seat to see both receipts.",
  sayOffApart: "NTP is off and the clocks are {apart} apart. Start the buyers to see what that does to the seats.",
  sayOffApartNone: "NTP is off and the clocks are {apart} apart. No seat was sold twice so far.",
  sayOffTrue: "NTP is off, but the clocks agree to within {apart}.",
  sayOn: "NTP is on: the clocks agree to within {apart}.", sayOnLate: "NTP is on: the clocks are still {apart} apart.",
  sayOnClean: "NTP is on: the clocks agree to within {apart}, and no seat is sold twice.",
  sayOnTwice: "NTP is on, and {n} seats were sold twice all the same: policy {policy} needs more than right clocks.",
  sayIdle: "Nothing runs yet.",
  beginTitle: "Begin", beginWords: "Bring up a lab to bend its clocks by hand, run a whole scenario, or replay an earlier run.",
  scenarios: "Scenarios", runs: "Earlier runs", labs: "Labs that are up", byHand: "By hand", runIt: "Run it", replayIt: "Replay", take: "Show", none: "none yet",
  controls: "Your hands on the lab", ntpAll: "NTP, all servers", ntpOff: "Switch NTP off", ntpOn: "Switch NTP on",
  buyers: "Buyers", rate: "Races for a seat", perSecond: "per second", loadOn: "Start", loadOff: "Stop",
  more: "More: bend a clock, choose the policy, take the lab down", moreStanding: "More: bend a clock, choose the policy",
  viewOnly: "You are looking on: whoever has this page's token can switch NTP and bend clocks.",
  standing: "This page has no hold of Docker: it cannot start labs or scenarios, replay runs, kill a node or take one off a network. ./ntplab ui can. What is recorded begins anew now and then, and so do the seats.",
  bend: "Bend a clock", server: "Server", by: "Value", how: "How", stepS: "s step", stepMs: "ms step", setS: "s from true time", driftPpm: "ppm drift", bendGo: "Do it",
  policyLegend: "Seat policy", labDown: "Take the lab down", close: "Close", working: "Working …",
  running: "Scenario running", runStop: "Stop it", replaying: "Replay", play: "▶ Play", pause: "❚❚ Pause", position: "Position", speed: "Speed",
  clocks: "Clocks", clocksAbout: "Solid hands: the server's time. Dashed: true time. Between them: the error.",
  chart: "How far each clock is from true time", scale: "Scale", linear: "linear", log: "logarithmic", beliefOf: "Belief of", nobody: "nobody",
  chartLabel: "Divergence of {n} clocks over the last {seconds}; the farthest is {node}, {value}.",
  shadeOff: "NTP off", shadeOn: "NTP on", shadeMixed: "NTP partly on", trueTime: "true time", believed: "believed by {node}'s NTP", bound: "its error bound",
  hall: "The hall", phase: "Phase", seatTwice: "sold twice: two holders", seatSold: "sold once", seatWanted: "asked for, not sold",
  hallEmpty: "Nobody has asked for a seat yet.", newest: "newest", seatLabelTwice: "Seat {seat}: sold twice. Show both receipts.",
  seatLabelSold: "Seat {seat}: sold once.", seatLabelWanted: "Seat {seat}: asked for, not sold.",
  phases: "Phases", attempts: "Attempts", receipts: "Receipts", twiceShort: "Sold twice", failed: "Failed", events: "Events",
  closeDialog: "Close", seatTitleTwice: "Seat {seat} belongs to two people", seatTitleMore: "Seat {seat} belongs to {n} people", "seatTitleMore-train": "{seat} belongs to {n} people", seatTitle: "Seat {seat}",
  holder: "Receipt of {buyer}", issuedBy: "issued by", stamped: "stamped (server's clock)", trueAt: "true time of the claim", wrongBy: "the server's clock was off by", receiptNo: "receipt",
  whySkew: "{first} really came first, by {gap}. But {serverA}'s clock was {skew} ahead of {serverB}'s, so {second}'s stamp looked earlier. Each server believed its own buyer was first.",
  whyOther: "Both servers said yes; cause: {cause}.", whyNot: "This cannot be explained: {reason}", exact: "In the words of the analysis:",
  noReceipt: "Nobody holds a receipt for this seat.", gone: "The receipts of this seat are no longer at hand.", asking: "Looking up both receipts …",
  wall: "shows", believes: "NTP believes {offset} ± {bound}", believesNot: "NTP is not running", exactly: "exact", turnOff: "NTP on", turnOn: "NTP off",
  switchLabel: "NTP of {node}", live: "live", lost: "connection lost, trying again", callLost: "The connection was lost on the way. The page shows what was done, and what was not.", modeLab: "lab {lab} · policy {policy} · by hand", modeRun: "{scenario} · policy {policy} · running", modeReplay: "{scenario} · policy {policy} · run {run}", modeIdle: "wrong clocks, and what NTP changes",
  evRunStarted: "run of {scenario} begins", evRunEnded: "run ended", evRunInterrupted: "run stopped: {reason}", evPhaseStarted: "phase {phase} begins, NTP {ntp}", evPhaseMeasuring: "buyers come", evPhaseEnded: "phase {phase} ends",
  evNtp: "{node}: NTP switched {state}", evNtpSeen: "{node}: NTP is {state}", evFault: "{node}: {kind} {value}, now {divergence} from true time", evFaultPlain: "{node}: {kind} {value}", evSettled: "all clocks within {limit} after {seconds} s", evDied: "{node} died", evNodeStarted: "{node} started", evPolicy: "policy is now {policy}", evGap: "clocks were not sampled for {seconds} s",
  network: "The network", netAbout: "Dots are messages: they leave when their sender says so, and stay hollow until their receiver says that they came.",
  spacetime: "Messages in time, and the cut of a snapshot", holders: "Who holds which ticket", snapshot: "Take a snapshot", trainLegend: "Whole system",
  netFree: "{n} free", netOwns: "{n} held", netNone: "none yet", netUnderWay: "{n} messages on their way", netSpan: "the last {n} s",
  "msg-request": "request", "msg-offer": "offer, and its confirmation", "msg-ticket": "ticket", "msg-receipt": "receipt",
  cutName: "cut {epoch}", cutGoing: "snapshot {epoch}: {nodes} of {all} nodes recorded", cutWhole: "snapshot {epoch} is whole", cutCrossed: "snapshot {epoch} is whole, {n} messages cross its cut",
  spacetimeLabel: "Lines of the nodes with messages between them: {words}.", ticketFree: "free", ticketHeld: "offered", ticketSold: "sold", ticketTwice: "sold twice", ticketGone: "off sale",
  chipTwice: "#{n} × {times}", andMore: "and {n} more", severalNodes: "{n} nodes:", evSnapshot: "snapshot: {value}",
  "seatsTwice-train": "Tickets sold twice", "seatsNote-train": "two people hold one ticket", "seatsNote0-train": "every ticket has at most one holder",
  "sayOffApartTwice-train": "NTP is off, the clocks are {apart} apart, and {n} tickets are held by two people each. Click a red ticket to see both.",
  "sayOffApart-train": "NTP is off and the clocks are {apart} apart. Start the customers to see what that does to the tickets.",
  "sayOffApartNone-train": "NTP is off and the clocks are {apart} apart. No ticket was sold twice so far.",
  "sayOffTwice": "NTP is off, the clocks agree to within {apart}, and {n} seats are held by two people each all the same: policy {policy} needs more than right clocks.",
  "sayOffTwice-train": "NTP is off, the clocks agree to within {apart}, and {n} tickets are held by two people each all the same: protocol {policy} sells again what it has not heard of.",
  "sayOnClean-train": "NTP is on: the clocks agree to within {apart}, and no ticket is sold twice.",
  "sayOnTwice-train": "NTP is on, and {n} tickets were sold twice all the same: protocol {policy} needs more than right clocks.",
  "buyers-train": "Customers", "rate-train": "Requests of all clients", "more-train": "More: bend a clock, take the lab down",
  "hall-train": "Tickets of this phase", "seatSold-train": "sold once", "seatWanted-train": "offered, not sold", "hallEmpty-train": "Nobody was offered a ticket yet.",
  "seatLabelTwice-train": "{seat}: sold twice. Show both holders.", "seatLabelSold-train": "{seat}: sold once.", "seatLabelWanted-train": "{seat}: offered, not sold.",
  "seatTitleTwice-train": "{seat} belongs to two people", "seatTitle-train": "{seat}", "holder-train": "{buyer} holds it", "stamped-train": "since (its own clock)", "trueAt-train": "since, in truth", "receiptNo-train": "request",
  "noReceipt-train": "Nobody holds this ticket.", "asking-train": "Looking up its holders …", "whyOther-train": "The office sold it twice; cause: {cause}.",
  "attempts-train": "Requests", "receipts-train": "Tickets", "failed-train": "Without ticket",
  "modeLab-train": "lab {lab} · protocol {policy} · by hand", "modeRun-train": "{scenario} · protocol {policy} · running", "modeReplay-train": "{scenario} · protocol {policy} · run {run}", "evPhaseMeasuring-train": "customers come",
};
const FR = {
  skip: "Aller au contenu", language: "Langue", theme: "Couleurs", themeAuto: "Couleurs du système",
  themeLight: "Clair", themeDark: "Sombre", storyTitle: "Ce qui se passe",
  ntpIs: "La correction des horloges (NTP) est", on: "ACTIVE", off: "COUPÉE", mixed: "PARTIELLE", unknown: "–",
  ntpNoteOn: "tous les serveurs sont corrigés", ntpNoteOff: "personne ne corrige les horloges",
  ntpNoteMixed: "{n} serveurs sur {all} sont corrigés", clocksAre: "Les horloges des serveurs diffèrent de", apart: "entre elles",
  seatsTwice: "Sièges vendus deux fois", seatsNote: "deux personnes ont un reçu pour le même siège",
  seatsNote0: "chaque siège a au plus un détenteur", inPhase: "dans la phase {phase}",
  sayOffApartTwice: "NTP est coupé, les horloges diffèrent de {apart}, et {n} sièges ont chacun deux détenteurs. Cliquez un siège rouge pour voir les deux reçus.",
  sayOffApart: "NTP est coupé et les horloges diffèrent de {apart}. Lancez les acheteurs pour voir l'effet sur les sièges.",
  sayOffApartNone: "NTP est coupé et les horloges diffèrent de {apart}. Aucun siège vendu deux fois pour l'instant.",
  sayOffTrue: "NTP est coupé, mais les horloges s'accordent à {apart} près.",
  sayOn: "NTP est actif : les horloges s'accordent à {apart} près.", sayOnLate: "NTP est actif : les horloges diffèrent encore de {apart}.",
  sayOnClean: "NTP est actif : les horloges s'accordent à {apart} près, et aucun siège n'est vendu deux fois.",
  sayOnTwice: "NTP est actif, et {n} sièges ont tout de même été vendus deux fois : à la politique {policy}, des horloges justes ne suffisent pas.",
  sayIdle: "Rien ne tourne encore.",
  beginTitle: "Commencer", beginWords: "Montez un labo pour fausser ses horloges à la main, lancez un scénario entier, ou rejouez une exécution passée.",
  scenarios: "Scénarios", runs: "Exécutions passées", labs: "Labos en marche", byHand: "À la main", runIt: "Lancer", replayIt: "Rejouer", take: "Montrer", none: "aucun",
  controls: "Le labo entre vos mains", ntpAll: "NTP, tous les serveurs", ntpOff: "Couper NTP", ntpOn: "Activer NTP",
  buyers: "Acheteurs", rate: "Courses pour un siège", perSecond: "par seconde", loadOn: "Lancer", loadOff: "Arrêter",
  more: "Plus : fausser une horloge, choisir la politique, démonter le labo", moreStanding: "Plus : fausser une horloge, choisir la politique",
  viewOnly: "Vous regardez : qui a le jeton de cette page peut couper NTP et fausser les horloges.",
  standing: "Cette page n'a pas la main sur Docker : elle ne peut ni démarrer un labo ou un scénario, ni rejouer une exécution, ni tuer un nœud ou le couper d'un réseau. ./ntplab ui le peut. L'enregistrement recommence de temps en temps, et les sièges avec lui.",
  bend: "Fausser une horloge", server: "Serveur", by: "Valeur", how: "Comment", stepS: "s de saut", stepMs: "ms de saut", setS: "s de l'heure vraie", driftPpm: "ppm de dérive", bendGo: "Appliquer",
  policyLegend: "Politique des sièges", labDown: "Démonter le labo", close: "Fermer", working: "En cours …",
  running: "Scénario en cours", runStop: "L'arrêter", replaying: "Relecture", play: "▶ Lire", pause: "❚❚ Pause", position: "Position", speed: "Vitesse",
  clocks: "Horloges", clocksAbout: "Trait plein : l'heure du serveur. Pointillé : l'heure vraie. Entre les deux : l'erreur.",
  chart: "Écart de chaque horloge à l'heure vraie", scale: "Échelle", linear: "linéaire", log: "logarithmique", beliefOf: "Avis du NTP de", nobody: "personne",
  chartLabel: "Écart de {n} horloges sur {seconds} ; la plus éloignée est {node}, {value}.",
  shadeOff: "NTP coupé", shadeOn: "NTP actif", shadeMixed: "NTP partiel", trueTime: "heure vraie", believed: "ce que croit le NTP de {node}", bound: "sa borne d'erreur",
  hall: "La salle", phase: "Phase", seatTwice: "vendu deux fois : deux détenteurs", seatSold: "vendu une fois", seatWanted: "demandé, non vendu",
  hallEmpty: "Personne n'a encore demandé de siège.", newest: "la plus récente", seatLabelTwice: "Siège {seat} : vendu deux fois. Montrer les deux reçus.",
  seatLabelSold: "Siège {seat} : vendu une fois.", seatLabelWanted: "Siège {seat} : demandé, non vendu.",
  phases: "Phases", attempts: "Tentatives", receipts: "Reçus", twiceShort: "Vendus deux fois", failed: "Échecs", events: "Événements",
  closeDialog: "Fermer", seatTitleTwice: "Le siège {seat} appartient à deux personnes", seatTitleMore: "Le siège {seat} appartient à {n} personnes", "seatTitleMore-train": "{seat} appartient à {n} personnes", seatTitle: "Siège {seat}",
  holder: "Reçu de {buyer}", issuedBy: "émis par", stamped: "estampille (horloge du serveur)", trueAt: "heure vraie de la demande", wrongBy: "erreur de l'horloge du serveur", receiptNo: "reçu",
  whySkew: "{first} était vraiment en premier, de {gap}. Mais l'horloge de {serverA} avançait de {skew} sur celle de {serverB} : l'estampille de {second} paraissait antérieure. Chaque serveur croyait son propre acheteur premier.",
  whyOther: "Les deux serveurs ont dit oui ; cause : {cause}.", whyNot: "Ceci ne s'explique pas : {reason}", exact: "Dans les mots de l'analyse (en anglais) :",
  noReceipt: "Personne n'a de reçu pour ce siège.", gone: "Les reçus de ce siège ne sont plus disponibles.", asking: "Recherche des deux reçus …",
  wall: "indique", believes: "NTP croit {offset} ± {bound}", believesNot: "NTP ne tourne pas", exactly: "exacte", turnOff: "NTP actif", turnOn: "NTP coupé",
  switchLabel: "NTP de {node}", live: "en direct", lost: "connexion perdue, nouvel essai", callLost: "La connexion s'est perdue en route. La page montre ce qui a été fait, et ce qui ne l'a pas été.", modeLab: "labo {lab} · politique {policy} · à la main", modeRun: "{scenario} · politique {policy} · en cours", modeReplay: "{scenario} · politique {policy} · exécution {run}", modeIdle: "des horloges fausses, et ce que NTP y change",
  evRunStarted: "début de {scenario}", evRunEnded: "fin de l'exécution", evRunInterrupted: "exécution arrêtée : {reason}", evPhaseStarted: "début de la phase {phase}, NTP {ntp}", evPhaseMeasuring: "les acheteurs arrivent", evPhaseEnded: "fin de la phase {phase}",
  evNtp: "{node} : NTP {state}", evNtpSeen: "{node} : NTP est {state}", evFault: "{node} : {kind} {value}, maintenant à {divergence} de l'heure vraie", evFaultPlain: "{node} : {kind} {value}", evSettled: "toutes les horloges à moins de {limit} après {seconds} s", evDied: "{node} est mort", evNodeStarted: "{node} a démarré", evPolicy: "la politique est maintenant {policy}", evGap: "horloges non mesurées pendant {seconds} s",
  network: "Le réseau", netAbout: "Les points sont des messages : ils partent quand leur émetteur le dit, et restent creux jusqu'à ce que leur destinataire dise les avoir reçus.",
  spacetime: "Les messages dans le temps, et la coupe d'un instantané", holders: "Qui détient quel billet", snapshot: "Prendre un instantané", trainLegend: "Tout le système",
  netFree: "{n} libres", netOwns: "{n} détenus", netNone: "aucun", netUnderWay: "{n} messages en route", netSpan: "les dernières {n} s",
  "msg-request": "demande", "msg-offer": "offre, et sa confirmation", "msg-ticket": "billet", "msg-receipt": "reçu",
  cutName: "coupe {epoch}", cutGoing: "instantané {epoch} : {nodes} nœuds sur {all} enregistrés", cutWhole: "l'instantané {epoch} est complet", cutCrossed: "l'instantané {epoch} est complet, {n} messages traversent sa coupe",
  spacetimeLabel: "Lignes des nœuds et messages entre elles : {words}.", ticketFree: "libres", ticketHeld: "offerts", ticketSold: "vendus", ticketTwice: "vendus deux fois", ticketGone: "retirés",
  chipTwice: "#{n} × {times}", andMore: "et {n} autres", severalNodes: "{n} nœuds :", evSnapshot: "instantané : {value}",
  "seatsTwice-train": "Billets vendus deux fois", "seatsNote-train": "deux personnes détiennent le même billet", "seatsNote0-train": "chaque billet a au plus un détenteur",
  "sayOffApartTwice-train": "NTP est coupé, les horloges diffèrent de {apart}, et {n} billets ont chacun deux détenteurs. Cliquez un billet rouge pour voir les deux.",
  "sayOffApart-train": "NTP est coupé et les horloges diffèrent de {apart}. Lancez les clients pour voir l'effet sur les billets.",
  "sayOffApartNone-train": "NTP est coupé et les horloges diffèrent de {apart}. Aucun billet vendu deux fois pour l'instant.",
  "sayOffTwice": "NTP est coupé, les horloges s'accordent à {apart} près, et {n} sièges ont tout de même deux détenteurs : à la politique {policy}, des horloges justes ne suffisent pas.",
  "sayOffTwice-train": "NTP est coupé, les horloges s'accordent à {apart} près, et {n} billets ont tout de même deux détenteurs : le protocole {policy} revend ce dont il est sans nouvelles.",
  "sayOnClean-train": "NTP est actif : les horloges s'accordent à {apart} près, et aucun billet n'est vendu deux fois.",
  "sayOnTwice-train": "NTP est actif, et {n} billets ont tout de même été vendus deux fois : au protocole {policy}, des horloges justes ne suffisent pas.",
  "buyers-train": "Clients", "rate-train": "Demandes de tous les clients", "more-train": "Plus : fausser une horloge, démonter le labo",
  "hall-train": "Billets de cette phase", "seatSold-train": "vendu une fois", "seatWanted-train": "offert, non vendu", "hallEmpty-train": "Aucun billet n'a encore été offert.",
  "seatLabelTwice-train": "{seat} : vendu deux fois. Montrer les deux détenteurs.", "seatLabelSold-train": "{seat} : vendu une fois.", "seatLabelWanted-train": "{seat} : offert, non vendu.",
  "seatTitleTwice-train": "{seat} appartient à deux personnes", "seatTitle-train": "{seat}", "holder-train": "{buyer} le détient", "stamped-train": "depuis (sa propre horloge)", "trueAt-train": "depuis, en vérité", "receiptNo-train": "demande",
  "noReceipt-train": "Personne ne détient ce billet.", "asking-train": "Recherche de ses détenteurs …", "whyOther-train": "Le guichet l'a vendu deux fois ; cause : {cause}.",
  "attempts-train": "Demandes", "receipts-train": "Billets", "failed-train": "Sans billet",
  "modeLab-train": "labo {lab} · protocole {policy} · à la main", "modeRun-train": "{scenario} · protocole {policy} · en cours", "modeReplay-train": "{scenario} · protocole {policy} · exécution {run}", "evPhaseMeasuring-train": "les clients arrivent",
};
const LANGUAGES = { en: EN, fr: FR };
let words = EN;
let system = "concert";

export function chooseLanguage(name) {
  words = LANGUAGES[name] ?? EN;
  document.documentElement.lang = name in LANGUAGES ? name : "en";
  translate();
}

// The same page is about seats of a concert or about train tickets.
export function chooseSystem(name) {
  if (name === system) return;
  system = name;
  translate();
}

function translate() {
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

export function preferredLanguage(stored) {
  if (stored in LANGUAGES) return stored;
  return (navigator.language || "en").toLowerCase().startsWith("fr") ? "fr" : "en";
}

export function t(key, values = {}) {
  const own = system === "train" ? words[`${key}-train`] : undefined;
  return (own ?? words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

export const locale = () => document.documentElement.lang;
export const keysOf = () => Object.fromEntries(Object.entries(LANGUAGES).map(([name, all]) => [name, Object.keys(all)]));
