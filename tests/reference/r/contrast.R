# Contrasts of matched cases of the data set D1 in R: HC0 to HC3, matched sets, and sets and
# areas at once. Reads contrast_d1_rows.csv (weights and sets of each design, written from
# drive_eval.models.matching and held to it by the test), writes contrast_d1.csv.
# R 4.2.2, sandwich 3.0-2. Run in tests/reference: Rscript r/contrast.R
suppressMessages(library(sandwich))
i <- 1:120
d <- data.frame(
  x1 = round(2 * sin(1.3 * i) + cos(0.7 * i), 6),
  x2 = ((37 * i) %% 101) / 101,
  area = i %% 13
)
d$treat <- as.numeric(((7919 * i) %% 1009) / 1009 < plogis(-0.7 + 0.6 * d$x1 + 0.8 * d$x2))
d$y <- as.numeric(
  ((104729 * i) %% 2003) / 2003 < plogis(-0.4 + 0.5 * d$x1 + 0.6 * d$x2 - 0.7 * d$treat)
)
rows <- read.csv("contrast_d1_rows.csv")
# To the end: with R's usual stopping rule the leverages of HC2 and HC3 are those of the step
# before the last, and standard errors differ in the fifth figure.
end <- glm.control(epsilon = 1e-14, maxit = 100)
out <- list()
for (case in unique(rows$case)) {
  m <- cbind(d[rows$row[rows$case == case], ], rows[rows$case == case, c("weight", "set")])
  covs <- c("HC0", "HC1", "HC2", "HC3")
  if (!anyNA(m$set)) covs <- c(covs, "sets", "two_way")
  for (adjusted in c(FALSE, TRUE)) for (kind in c("risk", "mean")) for (cov in covs) {
    form <- if (adjusted) y ~ treat * (x1 + x2) else y ~ treat
    fit <- if (kind == "risk") suppressWarnings(
      glm(form, binomial, m, weights = weight, control = end)
    ) else lm(form, m, weights = weight)
    v <- switch(cov,
      sets = vcovCL(fit, cluster = ~set),
      two_way = vcovCL(fit, cluster = ~ set + area),
      vcovHC(fit, type = cov))
    arm <- function(a) {
      z <- m[m$treat == 1, ]
      z$treat <- a
      x <- model.matrix(form[-2], z)
      eta <- drop(x %*% coef(fit))
      p <- if (kind == "risk") plogis(eta) else eta
      g <- if (kind == "risk") p * (1 - p) else rep(1, length(p))
      list(p = mean(p), j = colMeans(g * x))
    }
    one <- arm(1)
    no <- arm(0)
    j <- one$j - no$j
    se <- sqrt(drop(j %*% v %*% j))
    out[[length(out) + 1]] <- data.frame(
      case, adjusted, kind, cov, treated = one$p, comparison = no$p,
      se_comparison = sqrt(drop(no$j %*% v %*% no$j)), se_difference = se
    )
  }
}
write.csv(do.call(rbind, out), "contrast_d1.csv", row.names = FALSE)
