function drawCharts() {
  for (const plot of document.querySelectorAll("[data-chart]")) {
    const figure = resolved(page.charts[plot.dataset.chart][Number(plot.dataset.index)]);
    Plotly.react(plot, figure.data, figure.layout, PLOT_CONFIG);
  }
}

drawCharts();
onThemeChange(drawCharts);
