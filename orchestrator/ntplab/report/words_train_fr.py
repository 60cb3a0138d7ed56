"""The report of a run of the train system in French: added to `words_fr.py`."""

WORDS: dict[str, str] = {
    "short_train": "{phase} (NTP {ntp}) : billets vendus deux fois : {doubles}, sur {sold} ventes "
    "; horloges écartées d’au plus {apart}.",
    "train_traffic_title": "Billets par seconde, et retenues expirées",
    "tickets_per_second": "billets par seconde",
    "train_owned": "un client détient un billet",
    "train_expired": "une retenue a expiré",
    "tickets": "Billets",
    "requests_ended": "demandes terminées",
    "train_sold": "vendus",
    "per_second": "par seconde",
    "holds_expired": "retenues expirées",
    "tickets_note": "Un billet est vendu deux fois quand deux clients le détiennent à la fois. "
    "Une double vente est expliquée par l’inégalité de la retenue du guichet, avec les nombres "
    "mesurés, ou elle ne l’est pas.",
    "waiting": "De la demande à la détention du billet",
    "requests_open": "encore ouvertes",
    "refused": "refusées",
    "hold_clock_steps": "retenues écourtées",
    "receipt_conflicts": "accusés trop tardifs",
    "contradictions": "détenus sans être vendus ainsi",
    "tickets_twice": "Billets vendus deux fois",
    "ticket": "Billet {ticket}",
    "cause_late-receipt": "accusé trop tardif",
    "cause_reclaimed": "repris par un opérateur",
    "office": "guichet",
    "held_for": "retenu pour {client}",
    "train_owns": "{client} le détient",
    "hold_expired": "la retenue expire",
    "granted": "retenu pour le premier client",
    "granted_again": "retenu pour le second client",
    "first_owns": "le premier client le détient",
    "second_owns": "le second client le détient",
    "hold_clock": "horloge des retenues du guichet",
    "hold_ran": "l’horloge des retenues a avancé de {ran} pendant {passed} de temps vrai : {moved} "
    "entre eux",
    "train_pair_title": "Un billet en temps vrai : les retenues du guichet, et qui l’a détenu",
    "train_sentence_late-receipt": "Billet {ticket} : la retenue de {first} ({hold}) a expiré "
    "après {true_time_passed}, avant l’arrivée de son accusé ; puis il a été retenu pour "
    "{second}.",
    "train_sentence_clock-step": "Billet {ticket} : la retenue de {first} ({hold}) a expiré "
    "après {true_time_passed} de temps vrai, car l’horloge du guichet a été déplacée de "
    "{hold_clock_moved} ; puis il a été retenu pour {second}.",
    "train_sentence_reclaimed": "Billet {ticket} : un opérateur l’a repris à {first}, qui le "
    "détient ; puis il a été retenu pour {second}.",
    "chain": "Ce qu’il est devenu, en secondes de la phase",
    "chains": "À qui chaque billet est allé",
    "chains_of": "{n} billets qui ont bougé pendant cette phase",
    "no_ticket_twice": "Aucun billet n’a été vendu deux fois, sur {n} acquis.",
    "snapshots": "Instantanés",
    "epoch": "époque",
    "machines_in_it": "parties",
    "crossing": "messages à cheval",
    "state_available": "disponibles",
    "state_held": "retenus",
    "state_transferred": "transférés",
    "state_deleted": "reçus",
    "snapshot_sentence": "{taken} pris, dont {inconsistent} incohérents ; le plus lent a été "
    "complet après {longest} ; {messages} messages de plus.",
    "load_sentence": "{loads} chargés, en {longest} au plus ; {differences} différences avec la "
    "coupe et ce qui a suivi.",
    "train_theory_literal": "Le protocole littéral vend un billet deux fois quand la retenue du "
    "guichet ({hold}, sur son {clock}) expire avant l’arrivée de l’accusé : parce que les "
    "messages sont plus lents qu’elle, ou parce que cette horloge est déplacée.",
    "train_theory_confirmed": "Le protocole confirmé ne remet jamais en circulation un billet "
    "transféré : ni retard, ni perte, ni horloge (retenues : {hold}, sur l’{clock}) ne peut le "
    "vendre deux fois.",
    "clock_wall": "horloge murale",
    "clock_monotonic": "horloge monotone",
    "messages": "messages créés",
    "transmissions": "émissions",
    "per_reservation": "par réservation",
    "flooding_bound": "au plus, par inondation",
    "bound_share": "de la borne",
    "flooding_note": "Par inondation, chaque nœud émet chaque message une fois au plus : la "
    "borne est messages fois nœuds.",
    "limit_train_zero": "{phase} : aucun billet vendu deux fois en {n} ventes ; le taux vrai "
    "peut encore atteindre {high} (95 %) avec ces retards et ces horloges.",
    "limit_train_model": "Elle montre le protocole {protocol} sur des liens dont le labo fait "
    "le retard et les pertes, avec ces paramètres, et aucun autre.",
}
