#!/usr/bin/env perl

# This script formats the output of `spamdb` on OpenBSD to make it more readable by humans.
# Paul Gorman, May 2018

use strict;
use warnings;
use POSIX qw(strftime);

sub hd {
	return strftime("%H:%M:%S %b %d", localtime($_[0]));
}

my @spamdb = split(/\n/, `spamdb`);

foreach my $line (@spamdb) {
	my @l = split(/\|/, $line);
	if ($l[0] eq 'GREY') {
		my $ip = $l[1];
		my $helo = $l[2];
		my $sadr = substr($l[3], 1, -1);
		my $radr = substr($l[4], 1, -1);
		my $fdt = strftime("%b %d %H:%M:%S", localtime($l[5]));
		my $pdt = strftime("%b %d %H:%M:%S", localtime($l[6]));
		my $edt = strftime("%b %d %H:%M:%S", localtime($l[7]));
		my $bct = $l[8];
		my $pct = $l[9];
		printf("%s  1ST %s  PASS %s  EXP %s    BLCT %-3s PSCT %-3s    %-15s %-30s %s -> %s\n",
		   $l[0],   $fdt,    $pdt,   $edt,      $bct,     $pct, $ip, $helo, $sadr, $radr);
	} elsif ($l[0] eq 'WHITE') {
		my $ip = $l[1];
		my $fdt = strftime("%b %d %H:%M:%S", localtime($l[4]));
		my $pdt = strftime("%b %d %H:%M:%S", localtime($l[5]));
		my $edt = strftime("%b %d %H:%M:%S", localtime($l[6]));
		my $bct = $l[7];
		my $pct = $l[8];
		printf("%s 1ST %s  PASS %s  EXP %s    BLCT %-3s PSCT %-3s    %s \n",
			$l[0],  $fdt,   $pdt,   $edt,      $bct,      $pct,   $ip);
	} else {
		print join('    ', @l), "\n";
	}
}
